"""Telling the queue that something about profiles changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from cdp.copy import copy_rows
from cdp.stages import wake
from profiles.models import Lane, ProfileChange


def enqueue_changes(profile_ids: Iterable[int], topic: str, *, due_at: datetime, lane: Lane = Lane.LIVE) -> None:
    """One row a profile, and a wake-up once the transaction commits."""
    n_rows = copy_rows(
        ProfileChange._meta.db_table,
        ["profile_id", "topic", "lane", "due_at", "holder"],
        ((profile_id, topic, lane, due_at, "") for profile_id in profile_ids),
    )
    if n_rows:
        wake("profiles_changed")
