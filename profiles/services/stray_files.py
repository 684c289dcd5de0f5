"""Stored files of which no import knows: a process was killed between writing one and writing its row."""

from __future__ import annotations

import logging
import os
from datetime import datetime
from pathlib import Path

from django.core.files.storage import default_storage
from django.db.models import Min

from profiles.models import Import

logger = logging.getLogger(__name__)

FOLDER = "imports"  # imports and their refused rows are stored below it


def purge_stray_files(*, before: datetime) -> int:
    """Delete those that nobody has written to since `before`; returns how many.

    A file has its row minutes after its last byte: where `before` is hours ago, none goes that is still coming in.
    None goes that is older than every import that is known: the database may be a new one beside files of another.
    """
    since = Import.objects.aggregate(first=Min("created_at"))["first"]
    if since is None:
        return 0
    root = Path(default_storage.path(""))
    n_purged = 0
    for folder, _folders, names in os.walk(root / FOLDER):
        below = Path(folder).relative_to(root).as_posix()
        quiet = {f"{below}/{name}" for name in names if is_quiet(Path(folder, name), since=since, before=before)}
        for stray in sorted(quiet - known_in(below) if quiet else ()):
            logger.warning("the stored file %s is no import's: it is deleted", stray)
            default_storage.delete(stray)
            n_purged += 1
    return n_purged


def is_quiet(path: Path, *, since: datetime, before: datetime) -> bool:
    try:
        return since.timestamp() <= path.lstat().st_mtime < before.timestamp()
    except FileNotFoundError:  # discarded just now
        return False


def known_in(folder: str) -> set[str]:
    """The files of imports in this folder, and of their refused rows. One query."""
    known: set[str] = set()
    for names in Import.objects.filter(file__startswith=f"{folder}/").values_list("file", "refused_file"):
        known.update(names)
    return known
