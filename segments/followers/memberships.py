"""How memberships follow a merge and a split. Where the refresh judges by a rule, it writes what comes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from django.db import connection
from django.db.models import Q, QuerySet

from cdp.copy import copy_rows
from cdp.rules.causes import Cause
from cdp.rules.scope import Scope
from profiles.followers import Follower, HandMade, Merged, Parted, erase_rows, register_follower
from profiles.models import Profile, ProfileMerge
from profiles.refresh.inheritance import Heir, bequeath
from segments.feeds import write_moves
from segments.followers.by_hand import move_by_hand, part_by_hand
from segments.models import DisplacedMembership, FormerMembership, Membership, Segment


class Left(NamedTuple):
    """A membership that an absorbed profile had."""

    segment_id: int
    absorbed: int
    survivor: int
    entered_at: datetime


@register_follower
class MembershipFollower(Follower):
    """What hands wrote moves, and goes back at a split: see `by_hand.py`. What rules wrote:

    the absorbed leaves, and a survivor that is in is so since the earlier of their entries. Whether one that was not
    belongs there now, and who lives again, the refresh says: in then since the former entry. A segment in the archive,
    which is not judged, is entered at once.
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
        inside = enter_earlier(earliest)
        judged = judged_by_rule({segment_id for segment_id, _profile in earliest})
        bequeath(
            Heir(judged[row.segment_id], row.survivor, row.absorbed, row.segment_id, row.entered_at)
            for row in rows
            if row.segment_id in judged and (row.segment_id, row.survivor) not in inside
        )
        entered = enter({key: since for key, since in earliest.items() if key[0] not in judged and key not in inside})
        by_hand = move_by_hand(merged)
        left = [(row.segment_id, row.absorbed) for row in rows]
        write_moves([*entered, *by_hand.entered], [*left, *by_hand.left], cause=Cause.MERGE, now=now)

    def split(self, parted: Parted, *, now: datetime) -> None:
        back = former_of(parted)
        judged = judged_by_rule(back)
        bequeath(
            Heir(judged[segment_id], parted.to_id, parted.to_id, segment_id, since)
            for segment_id, since in back.items()
            if segment_id in judged
        )
        entered = enter({(each, parted.to_id): since for each, since in back.items() if each not in judged})
        restore_former(parted, back)
        restore_entry(parted, back)
        by_hand = part_by_hand(parted)
        write_moves([*entered, *by_hand.entered], by_hand.left, cause=Cause.SPLIT, now=now)

    def erase(self, profile_ids: Sequence[int], *, now: datetime) -> None:
        """They leave, which the feed says."""
        members = Membership.objects.filter(Scope(profile_ids).on("profile_id"))
        left = list(members.order_by("segment_id", "profile_id").values_list("segment_id", "profile_id"))
        members.delete()
        erase_rows(DisplacedMembership, profile_ids)
        write_moves([], left, cause=Cause.ERASED, now=now)

    def by_hand(self) -> QuerySet[Membership]:
        """Not what a file wrote, while nothing else has: that goes with it."""
        return Membership.objects.filter(origin__isnull=False, import_id__isnull=True)

    def beside(self, import_id: int) -> QuerySet[Membership]:
        return Membership.objects.filter(origin__isnull=False).exclude(import_id=import_id)

    def hand_made(self, parted: Parted) -> Sequence[HandMade]:
        rows = Membership.objects.filter(profile=parted.from_id, origin__isnull=False).select_related("segment")
        leaving = set(rows.filter(parted.takes_by_hand(Membership)).values_list("pk", flat=True))
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


def former_of(parted: Parted) -> dict[int, datetime]:
    """What who lives again was in by rule, and since when, by segment: since they themselves were, or those who go with
    them, where that was earlier only because of somebody below them who stays.
    """
    noted = FormerMembership.objects.filter(merge__in=list(parted.undone), profile=parted.to_id)
    back = dict(noted.order_by("segment_id").values_list("segment_id", "entered_at"))
    into_them = FormerMembership.objects.filter(merge__survivor=parted.to_id, merge__undone_at=None, segment__in=back)
    own: dict[int, datetime] = {}
    going: dict[int, datetime] = {}
    staying: dict[int, set[datetime]] = {}
    rows = into_them.order_by("merge_id").values_list("segment_id", "profile_id", "entered_at")
    for segment_id, profile_id, since in rows:
        if profile_id == parted.to_id:
            own.setdefault(segment_id, since)
        elif profile_id in parted.origins:
            going[segment_id] = min(since, going.get(segment_id, since))
        else:
            staying.setdefault(segment_id, set()).add(since)
    for segment_id, since in own.items():
        if back[segment_id] in staying.get(segment_id, ()):
            back[segment_id] = min(since, going.get(segment_id, since))
    return back


def judged_by_rule(segment_ids: Iterable[int]) -> dict[int, str]:
    """The keys, as of holders, of those of the segments that the refresh judges."""
    judged = Segment.objects.current().filter(pk__in=list(segment_ids), kind=Segment.Kind.DYNAMIC)
    return {pk: f"segment:{key}" for pk, key in judged.values_list("pk", "key")}


def restore_former(parted: Parted, back: Mapping[int, datetime]) -> None:
    """What later merges noted of those who had taken in who went: since they or those still below them were in.

    Four statements, however many merges.
    """
    person = [parted.from_id, *Profile.objects.filter(merged_into=parted.from_id).values_list("pk", flat=True)]
    into_them = list(ProfileMerge.objects.filter(survivor__in=person).values_list("pk", flat=True))
    noted = FormerMembership.objects.filter(
        Q(profile__in=person) | Q(merge__in=into_them), segment__in=list(back)
    ).select_related("merge")
    those_who_stay, because_of_who_went = set(person), set(back.values())
    own: dict[tuple[int, int], datetime] = {}  # by profile and segment, what the first merge into it noted of it
    below: dict[tuple[int, int], datetime] = {}  # and the earliest of those whom it took in
    changed = []
    # From the lowest up, since those above noted what those below had; a merge knows of those before it.
    for _merge_id, rows in groupby(noted.order_by("merge_id"), key=attrgetter("merge_id")):
        of_merge = list(rows)
        for row in of_merge:
            key = (row.profile_id, row.segment_id)
            is_theirs = row.profile_id in those_who_stay and row.merge.undone_at is None
            if is_theirs and row.entered_at in because_of_who_went and key in own:
                row.entered_at = min(own[key], below.get(key, own[key]))
                changed.append(row)
        for row in of_merge:
            key = (row.merge.survivor_id, row.segment_id)
            if row.profile_id == row.merge.survivor_id:
                own.setdefault(key, row.entered_at)
            elif row.merge.undone_at is None:
                below[key] = min(row.entered_at, below.get(key, row.entered_at))
    write_former(changed)


def write_former(changed: Sequence[FormerMembership]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE segments_formermembership AS former SET entered_at = restored.entered_at
            FROM unnest(%s::bigint[], %s::timestamptz[]) AS restored (id, entered_at)
            WHERE former.id = restored.id
            """,
            [[row.pk for row in changed], [row.entered_at for row in changed]],
        )


def restore_entry(parted: Parted, back: Mapping[int, datetime]) -> None:
    """Where the other side was in only since then because of who went, or waits to be in: since the earliest entry of
    those who stay.
    """
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
            ), restored AS (
                SELECT own.segment_id, back.entered_at AS until_now, min(own.entered_at) AS entered_at
                FROM own
                JOIN unnest(%s::bigint[], %s::timestamptz[]) AS back (segment_id, entered_at) USING (segment_id)
                GROUP BY own.segment_id, back.entered_at
                HAVING min(own.entered_at) > back.entered_at
            ), waiting AS (
                UPDATE profiles_inheritance AS inheritance
                SET since = restored.entered_at
                FROM restored
                JOIN segments_segment AS segment ON segment.id = restored.segment_id
                WHERE inheritance.profile_id = %s
                    AND inheritance.holder = 'segment:' || segment.key
                    AND inheritance.since = restored.until_now
            )
            UPDATE segments_membership AS membership
            SET entered_at = restored.entered_at
            FROM restored
            WHERE membership.profile_id = %s
                AND membership.segment_id = restored.segment_id
                AND membership.entered_at = restored.until_now
            """,
            [list(back), parted.from_id, list(back), list(back.values()), parted.from_id, parted.from_id],
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


def enter_earlier(earliest: Mapping[tuple[int, int], datetime]) -> set[tuple[int, int]]:
    """Let each (segment, profile) that is in be so since that time, or the earlier that is written; returns these."""
    if not earliest:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE segments_membership AS membership
            SET entered_at = least(membership.entered_at, earliest.entered_at)
            FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[]) AS earliest (segment_id, profile_id, entered_at)
            WHERE membership.segment_id = earliest.segment_id AND membership.profile_id = earliest.profile_id
            RETURNING membership.segment_id, membership.profile_id
            """,
            [[segment for segment, _ in earliest], [profile for _, profile in earliest], list(earliest.values())],
        )
        return {(segment_id, profile_id) for segment_id, profile_id in cursor.fetchall()}


def enter(since: Mapping[tuple[int, int], datetime]) -> list[tuple[int, int]]:
    """Put each (segment, profile), who is not in, in since that time; returns them in order."""
    entered = sorted(since)
    copy_rows(
        Membership._meta.db_table,
        ["segment_id", "profile_id", "entered_at"],
        ((segment_id, profile_id, since[segment_id, profile_id]) for segment_id, profile_id in entered),
    )
    return entered
