"""Assignments whose end has passed: the history says so within a minute, and much later they are deleted."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, Model, OuterRef, QuerySet

from cdp.rules.causes import Cause
from cdp.rules.scope import Scope
from profiles.refresh.people import lock_profiles
from tags.feeds import recording
from tags.models import DisplacedTag, TagAssignment

BATCH = 10_000  # rows a transaction
# A refresh by clock that was away must still find who expired meanwhile.
KEEP_ENDED = timedelta(days=30)


def end_expired(*, now: datetime) -> int:
    """Write into the history whose tags have ended by `now`; returns how many assignments did.

    What speaks of them is judged again by the clock, which needs none of this.
    """
    n_ended = 0
    while n := end_batch(now=now):
        n_ended += n
    return n_ended


@transaction.atomic
def end_batch(*, now: datetime) -> int:
    """0: none is left, but for people who were merged this very moment."""
    due = TagAssignment.objects.filter(is_ended=False, expires_at__lte=now)
    people = lock_profiles(sorted(set(due.order_by("expires_at").values_list("profile", flat=True)[:BATCH])))
    with recording(people, cause=Cause.TIME, now=now):
        return due.filter(Scope(people).on("profile_id")).update(is_ended=True)


def purge_ended(*, now: datetime) -> int:
    """Delete what ended more than KEEP_ENDED ago, also what gave way at a merge; returns how many rows.

    What something else gave way to is kept as long as that waits: it says who carries the tag again when the two are
    taken apart.
    """
    before = now - KEEP_ENDED
    n_displaced = purge(DisplacedTag.objects.filter(expires_at__lte=before))
    waiting = DisplacedTag.objects.filter(profile=OuterRef("profile"), tag=OuterRef("tag"))
    ended = TagAssignment.objects.filter(~Exists(waiting), is_ended=True, expires_at__lte=before)
    return purge(ended) + n_displaced


def purge(rows: QuerySet[Model]) -> int:
    """In batches, each a transaction of its own."""
    n_purged = 0
    while ids := list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        n_deleted, _by_model = rows.filter(pk__in=ids).delete()
        n_purged += n_deleted
        if len(ids) < BATCH:
            break
    return n_purged
