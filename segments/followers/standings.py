"""How standings follow a merge and a split. Where people stand afterwards, the refresh says and writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from cdp.copy import copy_rows
from cdp.rules.causes import Cause
from profiles.followers import Follower, Merged, Parted, register_follower
from profiles.refresh.inheritance import Heir, bequeath
from segments.feeds import lock_segment_feed, lock_tier_feed
from segments.models import FormerStanding, TierChange, TierStanding


def lock_feeds() -> None:
    """Both in their order: an import that merges may write members by hand afterwards, in the same transaction."""
    lock_segment_feed()
    lock_tier_feed()


class Stood(NamedTuple):
    """A standing that an absorbed profile had."""

    scheme_id: int
    scheme_key: str
    absorbed: int
    survivor: int
    tier_id: int
    tier_key: str
    entered_at: datetime


@register_follower
class TierStandingFollower(Follower):
    """The absorbed steps down. A survivor that stood nowhere, and who lives again, stand since the former entry where
    the refresh finds that they belong there.
    """

    model = TierStanding
    writes_feed = True

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        keep_former_standings(merged)
        stood = step_down(merged)
        if not stood:
            return
        bequeath(
            Heir(f"tier:{row.scheme_key}", row.survivor, row.absorbed, row.tier_id, row.entered_at) for row in stood
        )
        write_steps_down(stood, cause=Cause.MERGE, now=now)

    def split(self, parted: Parted, *, now: datetime) -> None:
        former = FormerStanding.objects.filter(merge__in=list(parted.undone), profile=parted.to_id)
        bequeath(
            Heir(f"tier:{key}", parted.to_id, parted.to_id, tier_id, since)
            for key, tier_id, since in former.values_list("scheme__key", "tier", "entered_at")
        )

    def erase(self, profile_ids: Sequence[int], *, now: datetime) -> None:
        """They stand nowhere any more, which the feed says."""
        stood = step_down([Merged(profile_id, profile_id) for profile_id in profile_ids])
        if stood:
            write_steps_down(stood, cause=Cause.ERASED, now=now)


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


def write_steps_down(stood: Sequence[Stood], *, cause: Cause, now: datetime) -> None:
    lock_feeds()
    copy_rows(
        TierChange._meta.db_table,
        ["scheme_id", "profile_id", "before", "after", "cause", "at"],
        ((row.scheme_id, row.absorbed, row.tier_key, None, cause, now) for row in stood),
    )


def step_down(merged: Sequence[Merged]) -> list[Stood]:
    """Delete the standings of the absorbed."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM segments_tierstanding AS standing
            USING unnest(%s::bigint[], %s::bigint[]) AS merged (absorbed, survivor), segments_tier AS tier,
                segments_tierscheme AS scheme
            WHERE standing.profile_id = merged.absorbed AND tier.id = standing.tier_id
                AND scheme.id = standing.scheme_id
            RETURNING scheme.id, scheme.key, merged.absorbed, merged.survivor, tier.id, tier.key, standing.entered_at
            """,
            [[pair.absorbed for pair in merged], [pair.survivor for pair in merged]],
        )
        return sorted(Stood(*row) for row in cursor.fetchall())
