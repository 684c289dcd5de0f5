"""Asking for a full refresh."""

from __future__ import annotations

from cdp.models import Run, User
from cdp.rules.holders import holder_of
from cdp.runs import queue_run

REFRESH = "refresh"  # the kind of run; its subject is the key of the holder


def queue_full_refresh(holder_key: str, *, user: User | None = None) -> Run:
    """Queue a full refresh of a holder, such as `segment:loyal`; one that waits already is enough.

    Raises KeyError where there is no such holder.
    """
    return queue_run(REFRESH, holder_of(holder_key).key, user)
