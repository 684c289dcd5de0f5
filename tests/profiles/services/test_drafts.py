"""Imports that nobody started are thrown away; what happens to one meanwhile is no matter to the others."""

from datetime import timedelta

import pytest

from profiles.models import Import
from profiles.services import drafts
from profiles.services.drafts import discard_import, purge_drafts
from tests.factories.imports import MADE_AT, ImportFactory

pytestmark = pytest.mark.django_db


def test_what_is_started_or_discarded_meanwhile_does_not_end_the_purge(monkeypatch):
    _first, started, gone, _last = made = [ImportFactory() for _n in range(4)]
    left = [each.pk for each in made]

    def meanwhile(import_id):
        Import.objects.filter(pk=started.pk).update(n_done=1)
        Import.objects.filter(pk=gone.pk).delete()
        left.remove(import_id)
        return discard_import(import_id)

    monkeypatch.setattr(drafts, "discard_import", meanwhile)

    assert purge_drafts(before=MADE_AT + timedelta(days=1)) == 2
    assert (left, list(Import.objects.all())) == ([], [started])


def test_discarding_twice_is_as_once(django_capture_on_commit_callbacks):
    made = ImportFactory()

    with django_capture_on_commit_callbacks(execute=True):
        found = [discard_import(made.pk) for _time in range(2)]

    assert found == [True, False]
    assert not made.file.storage.exists(made.file.name)
