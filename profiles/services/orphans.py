"""Rows that point at nobody: the database does not check every key that points at people (docs/adr/0018)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db.models import Exists, ForeignKey, OuterRef

from cdp.models import Run
from cdp.runs import advance
from profiles.models import Identifier, Profile

logger = logging.getLogger(__name__)


def report_orphans(run: Run) -> None:
    """Count them into the nightly check's run, from where /metrics has them, and log where they are."""
    found = count_orphans()
    for column, n in found.items():
        logger.error("%s rows of %s point at nobody", n, column)
    advance(run, run.done, run.total, orphans=sum(found.values()))


def count_orphans() -> dict[str, int]:
    """By column (`profiles_event.anchor_id`), how many rows point at a profile or an identifier that is not there.

    Each column is one statement, so that batches which commit meanwhile do not count. Those without any are left out.
    """
    counts = {f"{key.model._meta.db_table}.{key.attname}": n_orphans(key) for key in unchecked_keys()}
    return {name: n for name, n in counts.items() if n}


def unchecked_keys() -> Iterator[ForeignKey[Any, Any]]:
    """The keys of all tables that point at people and that the database does not check."""
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, ForeignKey) and field.related_model in (Profile, Identifier) and not is_checked(field):
                yield field


def is_checked(key: ForeignKey[Any, Any]) -> bool:
    """Whether the database refuses a row that points at nobody."""
    return bool(key.db_constraint)  # type: ignore[attr-defined]


def n_orphans(key: ForeignKey[Any, Any]) -> int:
    there = key.related_model._default_manager.filter(pk=OuterRef(key.attname))
    pointing = key.model._default_manager.filter(**{f"{key.attname}__isnull": False})
    return pointing.filter(~Exists(there)).count()
