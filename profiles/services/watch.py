"""Folders that are watched: each new file in them is imported once, by the saved mapping that watches."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from errno import ELOOP
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from django.conf import settings
from django.core.files import File
from django.db import InterfaceError, OperationalError, transaction
from django.utils.translation import gettext as _

from profiles.imports.errors import ImportFileError
from profiles.models import Import, ImportedFile, ImportMapping
from profiles.services.imports import check_enabled, create_import, queue_import, sha256_of

logger = logging.getLogger(__name__)

UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", ".filepart")  # what programs call files that they still write
LAST_SECOND = datetime(2100, 1, 1, tzinfo=UTC).timestamp()  # a broken clock or copy may write any time


class Seen(NamedTuple):
    """A file of a folder as it stands now; `name` is how people read it (`name_of`)."""

    path: Path
    name: str
    size: int
    modified_at: datetime


def import_new_files(*, now: datetime) -> int:
    """Look into every watched folder; returns how many files were taken up. Several workers may do this at once."""
    watching = ImportMapping.objects.filter(is_watching=True).order_by("pk")
    return sum(look_into(pk, now=now) for pk in watching.values_list("pk", flat=True))


@transaction.atomic
def look_into(mapping_id: int, *, now: datetime) -> int:
    """The files of one mapping's folder; passes by where another worker looks into it."""
    found = ImportMapping.objects.select_for_update(of=("self",), skip_locked=True).select_related("source")
    mapping = found.filter(pk=mapping_id, is_watching=True).first()
    if mapping is None:
        return 0
    try:
        check_enabled(mapping.source)
        files = list(files_in(folder_of(mapping)))
    except ImportFileError as error:
        note_error(mapping, str(error))
        return 0
    except OSError as error:
        note_error(mapping, _("%(folder)s: %(error)s") % {"folder": mapping.folder, "error": error.strerror})
        return 0
    note_error(mapping, "")
    return sum(take_up(mapping, file, now=now) for file in files)


def folder_of(mapping: ImportMapping) -> Path:
    """The folder, which lies below `settings.IMPORT_FOLDER` wherever links lead. Raises OSError."""
    root = Path(settings.IMPORT_FOLDER).resolve()
    try:
        folder = (root / mapping.folder).resolve()
    except RuntimeError:  # links that lead to each other
        raise OSError(ELOOP, os.strerror(ELOOP), mapping.folder) from None
    if not folder.is_relative_to(root):
        raise PermissionError(13, _("leads out of the import folder"), mapping.folder)
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


def take_up(mapping: ImportMapping, file: Seen, *, now: datetime) -> bool:
    """Import the file if it is new and has been quiet for `settings.IMPORT_QUIET_SECONDS`; returns whether it was.

    Whatever is wrong with it is said of it, and the others go on. Where the disk is, it is tried again.
    """
    try:
        with transaction.atomic():
            return take_if_quiet(mapping, file, now=now)
    except OSError as error:
        said = _("It cannot be taken in yet: %(error)s") % {"error": error.strerror or error}
        looked = ImportedFile.objects.filter(saved_mapping=mapping, name=file.name, sha256="")
        looked.update(error=storable(said), seen_at=now)
        return False


def take_if_quiet(mapping: ImportMapping, file: Seen, *, now: datetime) -> bool:
    """Raises OSError."""
    rows = ImportedFile.objects.filter(saved_mapping=mapping, name=file.name)
    if rows.exclude(sha256="").filter(size=file.size, modified_at=file.modified_at).exists():
        return False
    looked, is_first = rows.get_or_create(
        saved_mapping=mapping,
        name=file.name,
        sha256="",
        defaults={"size": file.size, "modified_at": file.modified_at, "seen_at": now},
    )
    if is_first or (looked.size, looked.modified_at) != (file.size, file.modified_at):
        looked.size, looked.modified_at, looked.seen_at, looked.error = file.size, file.modified_at, now, ""
        looked.save()
        return False
    if now - looked.seen_at < timedelta(seconds=settings.IMPORT_QUIET_SECONDS):
        return False
    looked.delete()
    return import_once(mapping, file, now=now)


def import_once(mapping: ImportMapping, file: Seen, *, now: datetime) -> bool:
    """Queue the import of a file whose content is new under its name. Raises OSError."""
    sha256 = sha256_of(file.path)
    row, is_new = ImportedFile.objects.get_or_create(
        saved_mapping=mapping,
        name=file.name,
        sha256=sha256,
        defaults={"size": file.size, "modified_at": file.modified_at, "seen_at": now},
    )
    if not is_new:
        row.size, row.modified_at = file.size, file.modified_at
        row.save(update_fields=["size", "modified_at"])
        return False
    try:
        row.imported = store(mapping, file, now=now)
        queue_import(row.imported, user=None)
    except (OSError, OperationalError, InterfaceError):
        if row.imported is not None:  # its row is taken back
            row.imported.file.delete(save=False)
        raise
    except ImportFileError as error:
        logger.warning("%s of %s was not imported: %s", file.name, mapping.key, error)
        row.error = storable(str(error))
    except Exception as error:  # whatever it is about the file, it must stop no other
        logger.exception("%s of %s was not imported", file.name, mapping.key)
        row.error = storable(_("It cannot be imported: %(error)s") % {"error": f"{type(error).__name__}: {error}"})
    row.save()
    return not row.error


@transaction.atomic
def store(mapping: ImportMapping, file: Seen, *, now: datetime) -> Import:
    with file.path.open("rb") as content:
        return create_import(File(content), name=file.name, source=mapping.source, saved_mapping=mapping, now=now)


def storable(error: str) -> str:
    """As much as there is room for, and no letter that a database text cannot hold."""
    return error.replace("\0", "").encode(errors="replace").decode()[:500]


def note_error(mapping: ImportMapping, error: str) -> None:
    if mapping.watch_error != error:
        mapping.watch_error = error[:500]
        mapping.save(update_fields=["watch_error"])
