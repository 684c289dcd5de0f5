"""Sources that are no longer needed."""

import pytest

from profiles.models import Source
from profiles.services.sources import SourceKeptError, delete_source
from tests.factories.imports import ImportFactory, ImportMappingFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("factory", [ImportFactory, ImportMappingFactory])
def test_a_source_of_imports_is_kept(factory):
    source = factory().source

    with pytest.raises(SourceKeptError, match="stays on record"):
        delete_source(source)

    assert Source.objects.filter(pk=source.pk).exists()
