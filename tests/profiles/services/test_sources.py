"""Sources that are no longer needed."""

import pytest
from django.db import OperationalError, connection, transaction

from cdp.locks import lock_key, own_session
from profiles.ingest.refold import DEFINITIONS
from profiles.models import Source
from profiles.services.sources import SourceKeptError, delete_source
from tests.factories.imports import ImportFactory, ImportMappingFactory
from tests.factories.profiles import SourceFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("factory", [ImportFactory, ImportMappingFactory])
def test_a_source_of_imports_is_kept(factory):
    source = factory().source

    with pytest.raises(SourceKeptError, match="stays on record"):
        delete_source(source)

    assert Source.objects.filter(pk=source.pk).exists()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_source_goes_only_once_no_batch_is_under_way():
    source = SourceFactory()

    with own_session() as batch:
        batch.execute("SELECT pg_advisory_lock_shared(%s)", [lock_key(DEFINITIONS)])
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '100ms'")
            with pytest.raises(OperationalError, match="lock timeout"):
                delete_source(source)
    assert Source.objects.filter(pk=source.pk).exists()

    delete_source(source)
    assert not Source.objects.filter(pk=source.pk).exists()
