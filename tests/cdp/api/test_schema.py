import io

import pytest
from django.core.management import call_command

from tests.cdp.api.world import operations
from tests.clients import api_of


def test_the_schema_is_valid_and_generated_without_a_warning(db):
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=io.StringIO())


@pytest.mark.parametrize("missing", ["pause"])
def test_what_is_not_there_yet_is_not_served(missing):
    assert not any(missing in path for _method, path in operations())


@pytest.mark.parametrize(
    ("path", "shape"), [("tags/{key}/assignments/", "RemovalsRequest"), ("segments/{key}/profiles/", "ChosenRequest")]
)
def test_what_a_delete_takes_is_said(db, path, shape):
    schema = api_of("viewer").send("get", "schema/", accept="application/vnd.oai.openapi+json").json()

    body = schema["paths"][f"/api/v1/{path}"]["delete"]["requestBody"]

    assert body["content"]["application/json"]["schema"] == {"$ref": f"#/components/schemas/{shape}"}
    assert shape in schema["components"]["schemas"]
