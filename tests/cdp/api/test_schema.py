import io

import pytest
from django.core.management import call_command

from tests.cdp.api.world import operations


def test_the_schema_is_valid_and_generated_without_a_warning(db):
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=io.StringIO())


@pytest.mark.parametrize("missing", ["pause"])
def test_what_is_not_there_yet_is_not_served(missing):
    assert not any(missing in path for _method, path in operations())
