"""Since when somebody has what a rule gave, across a merge or a split. Both take it away until the refresh has judged;
whoever it gives that again to has it since they, or whom they took in, had it first.

Merges and splits write no change for those whom the refresh is about to judge: what does not fit would leave again, and
readers of the feed would see people come and go who never did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

from django.db import transaction

from cdp.copy import copy_rows
from cdp.rules.holders import Holder, Move
from cdp.rules.scope import Scope
from profiles.models import Inheritance
from profiles.refresh.pending import pending
from profiles.refresh.people import lock_profiles


class Heir(NamedTuple):
    """`origin` had this outcome of the holder, by key, since then; `profile_id` is to be judged for it."""

    holder: str
    profile_id: int
    origin: int
    outcome: int
    since: datetime


Since: TypeAlias = Mapping[tuple[str, int, int], datetime]  # by holder, profile and outcome


def bequeath(heirs: Iterable[Heir]) -> None:
    """In the transaction that merges or splits, and puts a row on the queue for it."""
    if rows := list(heirs):
        copy_rows(Inheritance._meta.db_table, ["holder", "profile_id", "origin_id", "outcome", "since"], rows)


def inherited(profile_ids: Sequence[int]) -> Since:
    """The earliest of each that waits for these profiles, which are locked; one query."""
    since: dict[tuple[str, int, int], datetime] = {}
    for row in Inheritance.objects.filter(Scope(profile_ids).on("profile_id")).order_by("-since"):
        since[row.holder, row.profile_id, row.outcome] = row.since
    return since


def with_since(holder: Holder, moves: Iterable[Move], since: Since) -> list[Move]:
    """The moves, with the time from which on each has been so but for the interruption."""
    return [
        move
        if move.before is not None or move.after is None
        else move._replace(since=since.get((holder.key, move.profile_id, move.after)))
        for move in moves
    ]


def settle(judged: Iterable[tuple[str, int]], since: Since) -> None:
    """After these were judged, as (holder, profile), nothing waits for them any more."""
    waiting: dict[str, list[int]] = defaultdict(list)
    for key, profile_id in {(key, profile_id) for key, profile_id, _outcome in since} & set(judged):
        waiting[key].append(profile_id)
    for key, profile_ids in waiting.items():
        Inheritance.objects.filter(Scope(sorted(profile_ids)).on("profile_id"), holder=key).delete()


def waiting_for(holder: Holder) -> list[int]:
    """What waits for this holder, by id, as its full refresh begins."""
    return list(Inheritance.objects.filter(holder=holder.key).values_list("pk", flat=True))


@transaction.atomic
def settle_in_full(holder: Holder, waited: Collection[int], *, until: datetime) -> None:
    """After everybody was judged, but for those who are left to the queue."""
    rows = Inheritance.objects.filter(pk__in=waited)
    people = lock_profiles(sorted(set(rows.values_list("profile", flat=True))))
    left = pending([holder], people, until=until)
    rows.filter(profile__in=set(people) - left).delete()
