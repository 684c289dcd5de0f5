"""Holders whose rules are too slow to follow what changes are refreshed in full instead, and nobody waits for them."""

from __future__ import annotations

from datetime import datetime

from cdp.rules.causes import Cause
from cdp.rules.holders import Holder
from profiles.models import HolderClock
from profiles.refresh.engine import RuleTooSlow
from profiles.refresh.queue import queue_full_refresh


def slow_holders() -> set[str]:
    """The keys of those that wait for a full refresh; one query."""
    return set(HolderClock.objects.filter(too_slow_since__isnull=False).values_list("holder", flat=True))


def leave_to_full_refresh(holder: Holder, error: RuleTooSlow, *, cause: Cause, now: datetime) -> None:
    """Say so on its page, and ask for the full refresh that catches up."""
    HolderClock.objects.update_or_create(
        holder=holder.key, defaults={"too_slow_since": now}, create_defaults={"clocked_at": now, "too_slow_since": now}
    )
    holder.finished(now=now, error=str(error))
    queue_full_refresh(holder.key, cause=cause)
