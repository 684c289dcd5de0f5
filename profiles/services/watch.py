"""Folders that are watched: each new file in them is imported once, by the saved mapping that watches.

A look is one query for a folder, however many files lie in it. Files are copied and hashed in no transaction; a lock of
the mapping's own, which is no row's, has one worker alone at it.

Files are taken in one after another, in the order in which they were written: of two that say of a customer, without a
time, what holds, the later counts, and two workers may be at two imports at once.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.core.files import File
from django.db import InterfaceError, OperationalError, transaction
from django.utils.translation import gettext as _

from cdp.file_errors import in_words
from cdp.locks import session_lock
from cdp.models import Run
from cdp.trouble import is_undecided
from profiles.imports.errors import ImportFileError, SourceDisabledError
from profiles.models import Import, ImportedFile, ImportMapping
from profiles.services.imports import check_enabled, create_import, queue_import, sha256_of
from profiles.services.watched_files import Seen, files_in, folder_of

logger = logging.getLogger(__name__)

LOCK = "watch"
AWAY = (OperationalError, InterfaceError)  # the database is


class ChangedMeanwhileError(Exception):
    """The file, or the mapping or source that it is for, is another than when it was read: a later look takes it."""


def import_new_files(*, now: datetime) -> int:
    """Look into every watched folder; returns how many files were taken up. Several workers may do this at once."""
    watching = ImportMapping.objects.filter(is_watching=True).select_related("source").order_by("pk")
    return sum(look_into(mapping, now=now) for mapping in watching)


def look_into(mapping: ImportMapping, *, now: datetime) -> int:
    """Import what is due of one mapping's folder; where another worker is at it, that is left to it."""
    try:
        check_enabled(mapping.source)
        files = list(files_in(folder_of(mapping.folder)))
    except ImportFileError as error:
        note_error(mapping, str(error))
        return 0
    except OSError as error:
        note_error(mapping, _("%(folder)s: %(error)s") % {"folder": mapping.folder, "error": in_words(error)})
        return 0
    note_error(mapping, "")
    if not due_of(mapping, files, now=now):
        return 0
    with session_lock(LOCK, mapping.pk, wait=False) as is_mine:
        due = due_of(mapping, files, now=now) if is_mine else []  # another may have taken some just before
        n_taken = 0
        for file in sorted(due, key=lambda each: (each.modified_at, each.name)):
            if is_importing(mapping):
                break
            n_taken += take_up(mapping, file, now=now)
        return n_taken


def is_importing(mapping: ImportMapping) -> bool:
    """Whether a file of the folder is still being taken in, for which those behind it wait."""
    under_way = ImportedFile.objects.filter(saved_mapping=mapping, imported__ended_at=None)
    return under_way.filter(imported__run__in=Run.objects.unfinished()).exists()


def note_error(mapping: ImportMapping, error: str) -> None:
    if mapping.watch_error != error[:500]:
        ImportMapping.objects.filter(pk=mapping.pk).update(watch_error=error[:500])


def due_of(mapping: ImportMapping, files: Collection[Seen], *, now: datetime) -> list[Seen]:
    """Those that are new and have been quiet for `settings.IMPORT_QUIET_SECONDS`; of others that are new, or have
    changed, it is written down how they stand. One or two queries.
    """
    if not files:
        return []
    known, looked_at = set(), {}
    rows = ImportedFile.objects.filter(saved_mapping=mapping, name__in={file.name for file in files})
    for *stands, sha256, seen_at in rows.values_list("name", "size", "modified_at", "sha256", "seen_at"):
        if sha256:
            known.add(tuple(stands))
        else:
            looked_at[tuple(stands)] = seen_at
    new = {file.name: file for file in files if file.stands not in known}  # of two that read alike one, then the other
    write_down(mapping, [file for file in new.values() if file.stands not in looked_at], now=now)
    quiet_since = now - timedelta(seconds=settings.IMPORT_QUIET_SECONDS)
    return [file for file in new.values() if looked_at.get(file.stands, now) <= quiet_since]


def write_down(mapping: ImportMapping, files: Collection[Seen], *, now: datetime) -> None:
    """How these files stand now, from when on they have to be quiet."""
    if not files:
        return
    ImportedFile.objects.bulk_create(
        [
            ImportedFile(
                saved_mapping=mapping, name=file.name, size=file.size, modified_at=file.modified_at, seen_at=now
            )
            for file in files
        ],
        update_conflicts=True,
        unique_fields=["saved_mapping", "name", "sha256"],
        update_fields=["size", "modified_at", "seen_at", "error"],
    )


def take_up(mapping: ImportMapping, file: Seen, *, now: datetime) -> bool:
    """Import the file, if its content is new under its name; returns whether it is imported.

    Whatever is wrong with it is said of it, and the others go on. Where the disk is, it is tried again.
    """
    try:
        return import_once(mapping, file, now=now)
    except ChangedMeanwhileError:
        return False
    except OSError as error:
        said = _("It cannot be taken in yet: %(error)s") % {"error": in_words(error)}
        looked = ImportedFile.objects.filter(saved_mapping=mapping, name=file.name, sha256="")
        looked.update(error=storable(said), seen_at=now)
        return False


def import_once(mapping: ImportMapping, file: Seen, *, now: datetime) -> bool:
    """Copy a file whose content is new under its name, and queue its import. Raises OSError, ChangedMeanwhileError."""
    sha256 = sha256_of(file.path)
    if is_touched(mapping, file, sha256):
        return False
    made, error = None, ""
    try:
        made = copy_of(file, mapping, now=now)
    except (OSError, *AWAY):
        raise
    except SourceDisabledError:
        raise ChangedMeanwhileError from None
    except Exception as problem:  # whatever it is about the file, it must stop no other
        error = said_of(problem, file)
    try:
        if made is not None and made.sha256 != sha256:
            raise ChangedMeanwhileError
        return settle(mapping, file, sha256, made, error, now=now)
    except BaseException as trouble:
        if made is not None and not is_undecided(trouble):  # else the purge of stray files knows, a day later
            made.file.delete(save=False)
        raise


def is_touched(mapping: ImportMapping, file: Seen, sha256: str) -> bool:
    """Whether the content was looked at before under this name; it is known as it stands now from now on."""
    known = ImportedFile.objects.filter(saved_mapping=mapping, name=file.name, sha256=sha256)
    if not known.update(size=file.size, modified_at=file.modified_at):
        return False
    ImportedFile.objects.filter(saved_mapping=mapping, name=file.name, sha256="").delete()
    return True


def copy_of(file: Seen, mapping: ImportMapping, *, now: datetime) -> Import:
    """An import of the file, of which no row is written yet. Raises OSError, ImportFileError."""
    with file.path.open("rb") as content:
        return create_import(
            File(content), name=file.name, source=mapping.source, saved_mapping=mapping, now=now, save=False
        )


@transaction.atomic
def settle(mapping: ImportMapping, file: Seen, sha256: str, made: Import | None, error: str, *, now: datetime) -> bool:
    """Queue the import that was made of a file, and write down what became of it; returns whether it is imported.

    Raises ChangedMeanwhileError where the mapping no longer watches, or understands files otherwise, and where the
    source was disabled.
    """
    same = ImportMapping.objects.filter(
        pk=mapping.pk, is_watching=True, folder=mapping.folder, mapping=mapping.mapping, source=mapping.source_id
    )
    if same.select_for_update(no_key=True).first() is None:
        raise ChangedMeanwhileError
    if made is not None:
        made.save()
        try:
            with transaction.atomic():
                queue_import(made, user=None)
        except (OSError, *AWAY):
            raise
        except SourceDisabledError:
            raise ChangedMeanwhileError from None
        except Exception as problem:  # as above
            error = said_of(problem, file)
    rows = ImportedFile.objects.filter(saved_mapping=mapping, name=file.name)
    rows.filter(sha256="").delete()
    rows.create(
        saved_mapping=mapping, name=file.name, size=file.size, modified_at=file.modified_at, sha256=sha256,
        imported=made, error=error, seen_at=now,
    )  # fmt: skip
    return not error


def said_of(problem: Exception, file: Seen) -> str:
    """Why a file is not imported, as it is kept; logged, where nobody foresaw it."""
    if isinstance(problem, ImportFileError):
        logger.warning("%s was not imported: %s", file.name, problem)
        return storable(str(problem))
    logger.error("%s was not imported", file.name, exc_info=problem)
    return storable(_("It cannot be imported: %(error)s") % {"error": f"{type(problem).__name__}: {problem}"})


def storable(error: str) -> str:
    """As much as there is room for, and no letter that a database text cannot hold."""
    return error.replace("\0", "").encode(errors="replace").decode()[:500]
