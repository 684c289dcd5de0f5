"""How memberships follow a merge and a split: those by rule until the refresh has judged both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import Q

from cdp.rules.causes import Cause
from cdp.rules.scope import Scope
from profiles.followers import Follower, HandMade, Merged, Parted, erase_rows, register_follower
from segments.feeds import write_moves
from segments.followers.by_hand import going, move_by_hand, part_by_hand
from segments.models import DisplacedMembership, FormerMembership, Membership


class Left(NamedTuple):
    """A membership that an absorbed profile had."""

    segment_id: int
    absorbed: int
    survivor: int
    entered_at: datetime


@register_follower
class MembershipFollower(Follower):
    """What hands wrote moves, and goes back at a split: see `by_hand.py`. What rules wrote:

    the absorbed leaves, and the survivor enters where it was not in, since the earlier of their entries. Who lives
    again enters what it was in, since when it was. Whether either side belongs there still, the refresh says.
    """

    model = Membership
    writes_feed = True

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        keep_former(merged)
        rows = leave(merged)
        earliest: dict[tuple[int, int], datetime] = {}
        for row in rows:
            key = (row.segment_id, row.survivor)
            earliest[key] = min(row.entered_at, earliest.get(key, row.entered_at))
        entered = enter_anew(earliest)
        by_hand = move_by_hand(merged)
        left = [(row.segment_id, row.absorbed) for row in rows]
        write_moves([*entered, *by_hand.entered], [*left, *by_hand.left], cause=Cause.MERGE, now=now)

    def split(self, parted: Parted, *, now: datetime) -> None:
        back = come_back(parted)
        restore_former(parted, dict(back))
        restore_entry(parted, dict(back))
        by_hand = part_by_hand(parted)
        entered = [(segment_id, parted.to_id) for segment_id, _entered_at in back]
        write_moves([*entered, *by_hand.entered], by_hand.left, cause=Cause.SPLIT, now=now)

    def erase(self, profile_ids: Sequence[int], *, now: datetime) -> None:
        """They leave, which the feed says."""
        members = Membership.objects.filter(Scope(profile_ids).on("profile_id"))
        left = list(members.order_by("segment_id", "profile_id").values_list("segment_id", "profile_id"))
        members.delete()
        erase_rows(DisplacedMembership, profile_ids)
        write_moves([], left, cause=Cause.ERASED, now=now)

    def hand_made(self, parted: Parted) -> Sequence[HandMade]:
        rows = Membership.objects.filter(profile=parted.from_id, origin__isnull=False).select_related("segment")
        leaving = set(rows.filter(going(parted, Membership)).values_list("pk", flat=True))
        return [
            HandMade.of(row, label=row.segment.name, written_at=row.entered_at, goes=row.pk in leaving)
            for row in rows.order_by("-entered_at", "-pk")
        ]


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
                WHERE membership.origin_id IS NULL
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
    """Delete the memberships by rule of the absorbed."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM segments_membership AS membership
            USING unnest(%s::bigint[], %s::bigint[]) AS merged (absorbed, survivor)
            WHERE membership.profile_id = merged.absorbed AND membership.origin_id IS NULL
            RETURNING membership.segment_id, merged.absorbed, merged.survivor, membership.entered_at
            """,
            [[pair.absorbed for pair in merged], [pair.survivor for pair in merged]],
        )
        return sorted(Left(*row) for row in cursor.fetchall())


def enter_anew(earliest: Mapping[tuple[int, int], datetime]) -> list[tuple[int, int]]:
    """Put each (segment, profile) in since that time, or since the earlier that is written; returns who was not in."""
    if not earliest:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO segments_membership (segment_id, profile_id, entered_at)
            SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[])
            ON CONFLICT (segment_id, profile_id) DO UPDATE
            SET entered_at = least(segments_membership.entered_at, excluded.entered_at)
            RETURNING segment_id, profile_id, xmax = 0
            """,
            [[segment for segment, _ in earliest], [profile for _, profile in earliest], list(earliest.values())],
        )
        return [(segment_id, profile_id) for segment_id, profile_id, is_new in cursor.fetchall() if is_new]
