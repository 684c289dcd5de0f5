"""Files that come over HTTP: bounded before a byte is read, and written to disk as they come, never whole in memory."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, TemporaryFileUploadHandler
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

ENVELOPE_BYTES = 1024 * 1024  # of a body, beside the file: the other fields and what separates them


class UploadTooLargeError(ValueError):
    """The body is larger than a file may be; nothing of it was read. The text names the limit and the way out."""


class IncomingFile(TemporaryUploadedFile):
    """Django's own lies in the system's folder for such files, which may be another disk, or memory."""

    def __init__(
        self,
        name: str | None,
        content_type: str | None,
        size: int,
        charset: str | None,
        content_type_extra: dict[str, Any] | None = None,
    ) -> None:
        file: Any = NamedTemporaryFile(suffix=".upload", dir=upload_dir())  # noqa: SIM115 - closed with the request
        UploadedFile.__init__(self, file, name, content_type, size, charset, content_type_extra)


class ToDisk(TemporaryFileUploadHandler):
    """Writes each file into the folder of uploads."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        FileUploadHandler.new_file(self, *args, **kwargs)
        self.file = IncomingFile(self.file_name, self.content_type, 0, self.charset, self.content_type_extra)


def upload_dir() -> Path:
    """Where files are while they come in."""
    folder = Path(settings.UPLOAD_DIR)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def receive_to_disk(request: HttpRequest) -> None:
    """Have the files of a request written to disk; to be called before anything reads its body.

    Raises:
        UploadTooLargeError: by its `Content-Length`.
    """
    if int(request.META.get("CONTENT_LENGTH") or 0) > settings.IMPORT_MAX_UPLOAD_BYTES + ENVELOPE_BYTES:
        raise UploadTooLargeError(too_large())
    request.upload_handlers = [ToDisk(request)]


def too_large() -> str:
    """What to tell somebody whose file is too large."""
    limit = filesizeformat(settings.IMPORT_MAX_UPLOAD_BYTES)
    return _("The file is larger than %(limit)s. Split it, or put it into a watched folder.") % {"limit": limit}


def purge_uploads(*, before: datetime) -> int:
    """Delete files that stopped coming in, such as those of a killed process; returns how many."""
    abandoned = [
        file for file in upload_dir().iterdir() if file.is_file() and file.stat().st_mtime < before.timestamp()
    ]
    for file in abandoned:
        file.unlink(missing_ok=True)
    return len(abandoned)
