"""Stored files that no import knows go after a while; all others stay."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from profiles.models import Import
from profiles.services.stray_files import purge_stray_files
from tests.factories.imports import MADE_AT, ImportFactory

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def put(name, *, at=MADE_AT):
    stored = default_storage.save(name, ContentFile(b"Name\nAnn\n"))
    return aged(stored, at=at)


def aged(stored, *, at=MADE_AT):
    os.utime(default_storage.path(stored), (at.timestamp(), at.timestamp()))
    return stored


def names():
    root = Path(default_storage.path(""))
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_files_without_an_import_go_and_all_others_stay():
    made = ImportFactory()
    kept = [aged(made.file.name), put(f"{Path(made.file.name).parent}/1.refused.csv"), put("outbox/1.txt")]
    Import.objects.update(refused_file=kept[1])
    coming_in = put("imports/2026/06/new.csv", at=MADE_AT + DAY)
    put("imports/2026/06/copied.csv")
    put(f"{Path(made.file.name).parent}/2.refused.csv")
    elsewhere = put("imports/2024/01/old.csv", at=MADE_AT - 400 * DAY)  # from before the oldest import

    assert purge_stray_files(before=MADE_AT + DAY) == 2
    assert names() == sorted([*kept, coming_in, elsewhere])
    assert purge_stray_files(before=MADE_AT + DAY) == 0


def test_beside_a_database_that_knows_no_import_every_file_stays():
    kept = put("imports/2026/06/copied.csv")

    assert purge_stray_files(before=MADE_AT + DAY) == 0
    assert names() == [kept]


def test_where_nothing_was_stored_yet_there_is_nothing_to_purge():
    assert purge_stray_files(before=MADE_AT) == 0
