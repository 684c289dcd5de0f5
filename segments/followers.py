"""How memberships and standings follow a merge, until the refresh has judged the survivor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from cdp.copy import copy_rows
from cdp.rules.causes import Cause
from cdp.rules.scope import Scope
from profiles.followers import Follower, Merged, register_follower
from segments.feeds import lock_segment_feed, lock_tier_feed
from segments.models import Membership, MembershipChange, TierChange, TierStanding


class Left(NamedTuple):
    """A membership that an absorbed profile had."""

    segment_id: int
    absorbed: int
    survivor: int
    entered_at: datetime


@register_follower
class MembershipFollower(Follower):
    """The absorbed leaves, and the survivor enters where it was not in: since the earlier of their entries."""

    model = Membership
    writes_feed = True

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        left = leave(merged)
        if not left:
            return
        earliest: dict[tuple[int, int], datetime] = {}
        for row in left:
            key = (row.segment_id, row.survivor)
            earliest[key] = min(row.entered_at, earliest.get(key, row.entered_at))
        survivors = Scope([pair.survivor for pair in merged]).on("profile_id")
        inside = set(Membership.objects.filter(survivors).values_list("segment_id", "profile_id"))
        enter(earliest)
        entered = [key for key in earliest if key not in inside]
        lock_segment_feed()
        write_changes(((row.segment_id, row.absorbed) for row in left), MembershipChange.Change.LEFT, now=now)
        write_changes(entered, MembershipChange.Change.ENTERED, now=now)
        grow(Counter(segment_id for segment_id, _profile in entered), Counter(row.segment_id for row in left))


def leave(merged: Sequence[Merged]) -> list[Left]:
    """Delete the memberships of the absorbed."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM segments_membership AS membership
            USING unnest(%s::bigint[], %s::bigint[]) AS merged (absorbed, survivor)
            WHERE membership.profile_id = merged.absorbed
            RETURNING membership.segment_id, merged.absorbed, merged.survivor, membership.entered_at
            """,
            [[pair.absorbed for pair in merged], [pair.survivor for pair in merged]],
        )
        return sorted(Left(*row) for row in cursor.fetchall())


def enter(earliest: Mapping[tuple[int, int], datetime]) -> None:
    """Put each (segment, profile) in since that time, or since the earlier time that is written."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO segments_membership (segment_id, profile_id, entered_at)
            SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[])
            ON CONFLICT (segment_id, profile_id) DO UPDATE
            SET entered_at = least(segments_membership.entered_at, excluded.entered_at)
            """,
            [[segment for segment, _ in earliest], [profile for _, profile in earliest], list(earliest.values())],
        )


def write_changes(rows: Iterable[tuple[int, int]], change: str, *, now: datetime) -> None:
    copy_rows(
        MembershipChange._meta.db_table,
        ["segment_id", "profile_id", "change", "cause", "at"],
        ((segment_id, profile_id, change, Cause.MERGE, now) for segment_id, profile_id in rows),
    )


def grow(entered: Mapping[int, int], left: Mapping[int, int]) -> None:
    """Count who entered and left each segment; under the feed's lock."""
    segment_ids = sorted(left)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE segments_segment AS segment
            SET n_members = greatest(segment.n_members + grown.by, 0)
            FROM unnest(%s::bigint[], %s::integer[]) AS grown (segment_id, by)
            WHERE segment.id = grown.segment_id
            """,
            [segment_ids, [entered.get(pk, 0) - left[pk] for pk in segment_ids]],
        )


class Stood(NamedTuple):
    """A standing that an absorbed profile had; in order: by scheme and survivor, the highest tier first."""

    scheme_id: int
    survivor: int
    position: int
    entered_at: datetime
    tier_id: int
    tier_key: str
    absorbed: int


@register_follower
class TierStandingFollower(Follower):
    """The absorbed steps down; a survivor that stood nowhere stands where the highest of its absorbed stood."""

    model = TierStanding
    writes_feed = True

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        stood = step_down(merged)
        if not stood:
            return
        survivors = Scope([pair.survivor for pair in merged]).on("profile_id")
        standing = set(TierStanding.objects.filter(survivors).values_list("scheme_id", "profile_id"))
        highest: dict[tuple[int, int], Stood] = {}
        for row in stood:
            if (row.scheme_id, row.survivor) not in standing:
                highest.setdefault((row.scheme_id, row.survivor), row)
        copy_rows(
            TierStanding._meta.db_table,
            ["scheme_id", "tier_id", "profile_id", "entered_at"],
            ((row.scheme_id, row.tier_id, row.survivor, row.entered_at) for row in highest.values()),
        )
        lock_tier_feed()
        copy_rows(
            TierChange._meta.db_table,
            ["scheme_id", "profile_id", "before", "after", "cause", "at"],
            [
                *((row.scheme_id, row.absorbed, row.tier_key, None, Cause.MERGE, now) for row in stood),
                *((row.scheme_id, row.survivor, None, row.tier_key, Cause.MERGE, now) for row in highest.values()),
            ],
        )


def step_down(merged: Sequence[Merged]) -> list[Stood]:
    """Delete the standings of the absorbed."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM segments_tierstanding AS standing
            USING unnest(%s::bigint[], %s::bigint[]) AS merged (absorbed, survivor), segments_tier AS tier
            WHERE standing.profile_id = merged.absorbed AND tier.id = standing.tier_id
            RETURNING standing.scheme_id, merged.survivor, tier.position, standing.entered_at, tier.id,
                tier.key, merged.absorbed
            """,
            [[pair.absorbed for pair in merged], [pair.survivor for pair in merged]],
        )
        return sorted(Stood(*row) for row in cursor.fetchall())


@register_follower
class MembershipChangeFollower(Follower):
    """Changes are history: they keep the profile that they speak of, and readers resolve it."""

    model = MembershipChange

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        return


@register_follower
class TierChangeFollower(Follower):
    """History, as the changes of membership."""

    model = TierChange

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        return
