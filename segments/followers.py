"""How memberships and standings follow a merge and a split, until the refresh has judged both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import Q

from cdp.copy import copy_rows
from cdp.rules.causes import Cause
from cdp.rules.scope import Scope
from profiles.followers import Follower, Merged, Parted, register_follower
from segments.feeds import lock_segment_feed, lock_tier_feed
from segments.models import (
    FormerMembership,
    FormerStanding,
    Membership,
    MembershipChange,
    TierChange,
    TierStanding,
)


class Left(NamedTuple):
    """A membership that an absorbed profile had."""

    segment_id: int
    absorbed: int
    survivor: int
    entered_at: datetime


@register_follower
class MembershipFollower(Follower):
    """The absorbed leaves, and the survivor enters where it was not in: since the earlier of their entries.

    Who lives again enters what it was in, since when it was. Whether either side belongs there still, the refresh says.
    """

    model = Membership
    writes_feed = True

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        keep_former(merged)
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
        gone = [(row.segment_id, row.absorbed) for row in left]
        write_changes(gone, MembershipChange.Change.LEFT, cause=Cause.MERGE, now=now)
        write_changes(entered, MembershipChange.Change.ENTERED, cause=Cause.MERGE, now=now)
        grow(Counter(segment_id for segment_id, _profile in entered), Counter(row.segment_id for row in left))

    def split(self, parted: Parted, *, now: datetime) -> None:
        back = come_back(parted)
        restore_former(parted, dict(back))
        restore_entry(parted, dict(back))
        if back:
            lock_segment_feed()
            entered = [(segment_id, parted.to_id) for segment_id, _entered_at in back]
            write_changes(entered, MembershipChange.Change.ENTERED, cause=Cause.SPLIT, now=now)
            grow(Counter(segment_id for segment_id, _profile in entered), Counter())

    def erase(self, profile_ids: Sequence[int], *, now: datetime) -> None:
        """They leave, which the feed says."""
        left = leave([Merged(profile_id, profile_id) for profile_id in profile_ids])
        if left:
            lock_segment_feed()
            gone = [(row.segment_id, row.absorbed) for row in left]
            write_changes(gone, MembershipChange.Change.LEFT, cause=Cause.ERASED, now=now)
            grow({}, Counter(row.segment_id for row in left))


def keep_former(merged: Sequence[Merged]) -> None:
    """Note since when each of the absorbed was in what, and their survivors where they were in the same."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH merged AS (
                SELECT merge.id AS merge_id, merge.absorbed_id, pairs.survivor
                FROM unnest(%s::bigint[], %s::bigint[]) AS pairs (absorbed, survivor)
                JOIN profiles_profilemerge AS merge
                    ON merge.absorbed_id = pairs.absorbed AND merge.undone_at IS NULL
            ), theirs AS (
                SELECT merged.merge_id, merged.survivor, membership.segment_id, membership.profile_id,
                    membership.entered_at
                FROM merged
                JOIN segments_membership AS membership ON membership.profile_id = merged.absorbed_id
            )
            INSERT INTO segments_formermembership (merge_id, segment_id, profile_id, entered_at)
            SELECT merge_id, segment_id, profile_id, entered_at
            FROM theirs
            UNION ALL
            SELECT theirs.merge_id, theirs.segment_id, own.profile_id, own.entered_at
            FROM theirs
            JOIN segments_membership AS own
                ON own.profile_id = theirs.survivor AND own.segment_id = theirs.segment_id
            """,
            [[pair.absorbed for pair in merged], [pair.survivor for pair in merged]],
        )


def come_back(parted: Parted) -> list[tuple[int, datetime]]:
    """Put who lives again into what it was in; returns the segments, and since when."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO segments_membership (segment_id, profile_id, entered_at)
            SELECT segment_id, profile_id, entered_at
            FROM segments_formermembership
            WHERE merge_id = ANY(%s) AND profile_id = %s
            ON CONFLICT DO NOTHING
            RETURNING segment_id, entered_at
            """,
            [list(parted.undone), parted.to_id],
        )
        return [(segment_id, entered_at) for segment_id, entered_at in cursor.fetchall()]


def restore_former(parted: Parted, back: Mapping[int, datetime]) -> None:
    """What later merges noted of those who had taken in who went: since they or those still below them were in."""
    noted = FormerMembership.objects.filter(
        Q(profile=parted.from_id) | Q(profile__merged_into=parted.from_id),
        merge__undone_at=None,
        segment__in=list(back),
        entered_at__in=set(back.values()),
    )
    for row in noted.order_by("merge"):  # from the lowest up, since those above noted what those below had
        before = FormerMembership.objects.filter(
            merge__survivor=row.profile_id, merge__lt=row.merge_id, segment=row.segment_id
        ).order_by("merge")
        own = before.filter(profile=row.profile_id).first()
        if own is not None:
            below = before.filter(merge__undone_at=None).exclude(profile=row.profile_id)
            row.entered_at = min([own.entered_at, *below.values_list("entered_at", flat=True)])
            row.save(update_fields=["entered_at"])


def restore_entry(parted: Parted, back: Mapping[int, datetime]) -> None:
    """Where the other side was in only since then because of who went: since the earliest entry of those who stay."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH own AS (
                SELECT DISTINCT ON (former.segment_id, former.profile_id)
                    former.segment_id, former.profile_id, former.entered_at
                FROM segments_formermembership AS former
                JOIN profiles_profile AS profile ON profile.id = former.profile_id
                WHERE former.segment_id = ANY(%s) AND %s IN (profile.id, profile.merged_into_id)
                ORDER BY former.segment_id, former.profile_id, former.merge_id
            ), earliest AS (
                SELECT segment_id, min(entered_at) AS entered_at FROM own GROUP BY segment_id
            )
            UPDATE segments_membership AS membership
            SET entered_at = earliest.entered_at
            FROM earliest, unnest(%s::bigint[], %s::timestamptz[]) AS back (segment_id, entered_at)
            WHERE membership.profile_id = %s
                AND membership.segment_id = earliest.segment_id
                AND membership.segment_id = back.segment_id
                AND membership.entered_at = back.entered_at
                AND earliest.entered_at > membership.entered_at
            """,
            [list(back), parted.from_id, list(back), list(back.values()), parted.from_id],
        )


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


def write_changes(rows: Iterable[tuple[int, int]], change: str, *, cause: Cause, now: datetime) -> None:
    copy_rows(
        MembershipChange._meta.db_table,
        ["segment_id", "profile_id", "change", "cause", "at"],
        ((segment_id, profile_id, change, cause, now) for segment_id, profile_id in rows),
    )


def grow(entered: Mapping[int, int], left: Mapping[int, int]) -> None:
    """Count who entered and left each segment; under the feed's lock."""
    segment_ids = sorted(entered.keys() | left.keys())
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE segments_segment AS segment
            SET n_members = greatest(segment.n_members + grown.by, 0)
            FROM unnest(%s::bigint[], %s::integer[]) AS grown (segment_id, by)
            WHERE segment.id = grown.segment_id
            """,
            [segment_ids, [entered.get(pk, 0) - left.get(pk, 0) for pk in segment_ids]],
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
        lock_tier_feed()
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
            lock_tier_feed()
            copy_rows(
                TierChange._meta.db_table,
                ["scheme_id", "profile_id", "before", "after", "cause", "at"],
                ((scheme_id, parted.to_id, None, key, Cause.SPLIT, now) for scheme_id, key in back),
            )

    def erase(self, profile_ids: Sequence[int], *, now: datetime) -> None:
        """They stand nowhere any more, which the feed says."""
        stood = step_down([Merged(profile_id, profile_id) for profile_id in profile_ids])
        if stood:
            lock_tier_feed()
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


@register_follower
class MembershipChangeFollower(Follower):
    """Changes are history: they keep the profile that they speak of, and readers resolve it."""

    model = MembershipChange

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        return

    def split(self, parted: Parted, *, now: datetime) -> None:
        return


@register_follower
class TierChangeFollower(Follower):
    """History, as the changes of membership."""

    model = TierChange

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        return

    def split(self, parted: Parted, *, now: datetime) -> None:
        return


@register_follower
class FormerMembershipFollower(Follower):
    """History, with its merge; MembershipFollower reads it."""

    model = FormerMembership

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        return

    def split(self, parted: Parted, *, now: datetime) -> None:
        return


@register_follower
class FormerStandingFollower(Follower):
    """History, with its merge; TierStandingFollower reads it."""

    model = FormerStanding

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        return

    def split(self, parted: Parted, *, now: datetime) -> None:
        return
