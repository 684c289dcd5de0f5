"""Files on their way in."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory

from cdp.uploads import ENVELOPE_BYTES, UploadTooLargeError, purge_uploads, receive_to_disk, upload_dir

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_a_file_is_written_to_disk_as_it_comes(rf, settings):
    request = rf.post("/", {"file": SimpleUploadedFile("members.csv", b"a" * 10)})

    receive_to_disk(request)

    path = request.FILES["file"].temporary_file_path()
    assert os.path.dirname(path) == str(settings.UPLOAD_DIR)
    with open(path, "rb") as file:
        assert file.read() == b"a" * 10


def test_a_body_that_is_too_large_is_refused_before_it_is_read(settings):
    settings.IMPORT_MAX_UPLOAD_BYTES = 1000
    request = RequestFactory().post("/", {"file": SimpleUploadedFile("members.csv", b"a" * (1000 + ENVELOPE_BYTES))})

    with pytest.raises(UploadTooLargeError, match="The file is larger than 1000"):
        receive_to_disk(request)

    assert list(upload_dir().iterdir()) == []


def test_files_that_stopped_coming_in_are_deleted_and_those_under_way_stay():
    old, new = upload_dir() / "old.upload", upload_dir() / "new.upload"
    for file, moment in [(old, NOON.timestamp() - 1), (new, NOON.timestamp())]:
        file.touch()
        os.utime(file, (moment, moment))

    assert purge_uploads(before=NOON) == 1
    assert list(upload_dir().iterdir()) == [new]
