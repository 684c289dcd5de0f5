"""How standings follow a merge and a split, until the refresh has judged both sides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from cdp.copy import copy_rows
from cdp.rules.causes import Cause
from cdp.rules.scope import Scope
from profiles.followers import Follower, Merged, Parted, register_follower
from segments.feeds import lock_segment_feed, lock_tier_feed
from segments.models import TierChange, TierStanding


def lock_feeds() -> None:
    """Both in their order: an import that merges may write members by hand afterwards, in the same transaction."""
    lock_segment_feed()
    lock_tier_feed()


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
    """The absorbed steps down; a survivor that stood nowhere stands where the highest of its absorbed stood.

    Who lives again stands where it stood, until the refresh has judged it.
    """

    model = TierStanding
    writes_feed = True

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        keep_former_standings(merged)
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
        lock_feeds()
        copy_rows(
            TierChange._meta.db_table,
            ["scheme_id", "profile_id", "before", "after", "cause", "at"],
            [
                *((row.scheme_id, row.absorbed, row.tier_key, None, Cause.MERGE, now) for row in stood),
                *((row.scheme_id, row.survivor, None, row.tier_key, Cause.MERGE, now) for row in highest.values()),
            ],
        )

    def split(self, parted: Parted, *, now: datetime) -> None:
        if back := stand_again(parted):
            lock_feeds()
            copy_rows(
                TierChange._meta.db_table,
                ["scheme_id", "profile_id", "before", "after", "cause", "at"],
                ((scheme_id, parted.to_id, None, key, Cause.SPLIT, now) for scheme_id, key in back),
            )

    def erase(self, profile_ids: Sequence[int], *, now: datetime) -> None:
        """They stand nowhere any more, which the feed says."""
        stood = step_down([Merged(profile_id, profile_id) for profile_id in profile_ids])
        if stood:
            lock_feeds()
            copy_rows(
                TierChange._meta.db_table,
                ["scheme_id", "profile_id", "before", "after", "cause", "at"],
                ((row.scheme_id, row.absorbed, row.tier_key, None, Cause.ERASED, now) for row in stood),
            )


def keep_former_standings(merged: Sequence[Merged]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO segments_formerstanding (merge_id, scheme_id, tier_id, profile_id, entered_at)
            SELECT merge.id, standing.scheme_id, standing.tier_id, standing.profile_id, standing.entered_at
            FROM unnest(%s::bigint[]) AS absorbed (id)
            JOIN profiles_profilemerge AS merge ON merge.absorbed_id = absorbed.id AND merge.undone_at IS NULL
            JOIN segments_tierstanding AS standing ON standing.profile_id = absorbed.id
            """,
            [[pair.absorbed for pair in merged]],
        )


def stand_again(parted: Parted) -> list[tuple[int, str]]:
    """Put who lives again where it stood; returns the schemes and the keys of the tiers."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH back AS (
                INSERT INTO segments_tierstanding (scheme_id, tier_id, profile_id, entered_at)
                SELECT scheme_id, tier_id, profile_id, entered_at
                FROM segments_formerstanding
                WHERE merge_id = ANY(%s)
                ON CONFLICT DO NOTHING
                RETURNING scheme_id, tier_id
            )
            SELECT back.scheme_id, tier.key FROM back JOIN segments_tier AS tier ON tier.id = back.tier_id
            """,
            [list(parted.undone)],
        )
        return [(scheme_id, key) for scheme_id, key in cursor.fetchall()]


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
