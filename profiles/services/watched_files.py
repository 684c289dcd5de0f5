"""Files as they stand in a watched folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from django.conf import settings
from django.utils.translation import gettext as _

from profiles.imports.errors import ImportFileError

UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", ".filepart")  # what programs call files that they still write
LAST_SECOND = datetime(2100, 1, 1, tzinfo=UTC).timestamp()  # a broken clock or copy may write any time


class Seen(NamedTuple):
    """A file of a folder as it stands now; `name` is how people read it (`name_of`)."""

    path: Path
    name: str
    size: int
    modified_at: datetime

    @property
    def stands(self) -> tuple[str, int, datetime]:
        """Another one whenever the file was written to."""
        return self.name, self.size, self.modified_at


def folder_of(written: str) -> Path:
    """The folder, which lies below `settings.IMPORT_FOLDER` wherever links lead. Raises ImportFileError."""
    root = Path(settings.IMPORT_FOLDER).resolve()
    try:
        folder = (root / written).resolve()
    except RuntimeError:
        raise ImportFileError(_("%(folder)s: its links lead to each other") % {"folder": written}) from None
    if not folder.is_relative_to(root):
        raise ImportFileError(_("%(folder)s: leads out of the import folder") % {"folder": written})
    return folder


def files_in(folder: Path) -> Iterator[Seen]:
    """The files by name; hidden ones, links and those that a program says it still writes are passed by."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() in UNFINISHED:
            continue
        try:
            stat = path.lstat()
        except FileNotFoundError:
            continue  # gone since
        if S_ISREG(stat.st_mode):
            modified_at = datetime.fromtimestamp(min(max(stat.st_mtime, 0), LAST_SECOND), tz=UTC)
            yield Seen(path, name_of(path), stat.st_size, modified_at)


def name_of(path: Path) -> str:
    """The name as text: Windows in Chinese writes it in GBK, which is no UTF-8; what is neither has marks in it."""
    written = os.fsencode(path.name)
    for encoding in ("utf-8", "gb18030"):
        try:
            return written.decode(encoding)
        except UnicodeDecodeError:
            continue
    return written.decode(errors="replace")
