"""The rows of the feed of who became whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from cdp.copy import copy_rows
from cdp.feeds import FeedLock, lock_feed
from cdp.rules.scope import Scope
from profiles.followers import Merged, Parted
from profiles.models import IdentityChange, Profile

MERGED, SPLIT, ERASED = IdentityChange.Change.MERGED, IdentityChange.Change.SPLIT, IdentityChange.Change.ERASED


def write_merged(merged: Sequence[Merged], *, now: datetime) -> None:
    """Each absorbed went into its survivor."""
    append([(pair.absorbed, MERGED, pair.survivor) for pair in merged], now=now)


def write_split(parted: Parted, *, now: datetime) -> None:
    """A part went into another; whoever had been merged into that part and went along now leads there. Who stays leads
    to where it left: a reader knows only whom they once went into, and that is the part.
    """
    along: list[tuple[int, str, int | None]] = [
        (profile_id, MERGED, parted.to_id) for profile_id in parted.origins if profile_id != parted.to_id
    ]
    staying = {node for each in parted.rehung if each.person_id == parted.from_id for node in each.nodes}
    along += [(profile_id, MERGED, parted.from_id) for profile_id in sorted(staying)]
    append([(parted.from_id, SPLIT, parted.to_id), *along], now=now)


def write_erased(profile_ids: Sequence[int], *, now: datetime) -> None:
    """Nothing is left of them."""
    append([(profile_id, ERASED, None) for profile_id in profile_ids], now=now)


def append(changes: Sequence[tuple[int, str, int | None]], *, now: datetime) -> None:
    """Rows of profile, change and into, by their ids here. Nothing may lock anything after this in the transaction."""
    ids = sorted({profile_id for one, _change, other in changes for profile_id in (one, other) if profile_id})
    public: dict[int, UUID] = dict(Profile.objects.filter(Scope(ids).on("pk")).values_list("pk", "public_id"))
    lock_feed(FeedLock.IDENTITY)
    copy_rows(
        IdentityChange._meta.db_table,
        ["profile", "change", "into", "at"],
        ((public[one], change, public[other] if other else None, now) for one, change, other in changes),
    )
