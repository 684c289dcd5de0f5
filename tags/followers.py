"""How tags and scores follow a merge and a split."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import QuerySet

from cdp.copy import copy_rows
from cdp.rules.causes import Cause
from cdp.rules.scope import Scope
from profiles.followers import Follower, HandMade, Merged, Parted, erase_rows, move_rows, register_follower
from profiles.refresh.inheritance import Heir, bequeath
from tags.feeds import recording
from tags.holders import NO_VALUE
from tags.models import FILLED_BY_RULE, DisplacedTag, Score, Tag, TagAssignment, TagChange


@register_follower
class TagAssignmentFollower(Follower):
    """What hands assigned moves and keeps its origin. What rules assigned goes, and a survivor that does not carry the
    tag gets it by the refresh, if it belongs there; at once where the tag is not in use and nothing judges it.

    Where both carry a tag by hand, the later assignment stays, and the other is kept as a DisplacedTag.
    """

    model = TagAssignment
    writes_feed = True

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        people = sorted({profile_id for pair in merged for profile_id in pair})
        with recording(people, cause=Cause.MERGE, now=now):
            hand_over(merged)
            displace(merged)
            move_rows(TagAssignment, merged)

    def split(self, parted: Parted, *, now: datetime) -> None:
        """Displaced ones go first; then on both sides the latest comes back of every tag that is carried no more."""
        sides = [parted.from_id, parted.to_id]
        rows = TagAssignment.objects.filter(parted.takes_by_hand(TagAssignment), profile=parted.from_id)
        held = list(TagAssignment.objects.filter(profile=parted.from_id, origin__isnull=False).values_list("tag"))
        displaced = DisplacedTag.objects.filter(parted.takes_by_hand(DisplacedTag), profile=parted.from_id)
        with recording(sides, cause=Cause.SPLIT, now=now):
            rows.update(profile=parted.to_id)
            displaced.update(profile=parted.to_id)
            restore_displaced(sides, [tag_id for (tag_id,) in held], now=now)

    def erase(self, profile_ids: Sequence[int], *, now: datetime) -> None:
        """They carry nothing any more, which the feed says."""
        with recording(profile_ids, cause=Cause.ERASED, now=now):
            erase_rows(TagAssignment, profile_ids)
            erase_rows(DisplacedTag, profile_ids)

    def by_hand(self) -> QuerySet[TagAssignment]:
        """Not what a file wrote, while nothing else has: that goes with it."""
        return TagAssignment.objects.filter(origin__isnull=False, import_id__isnull=True)

    def beside(self, import_id: int) -> QuerySet[TagAssignment]:
        return TagAssignment.objects.filter(origin__isnull=False).exclude(import_id=import_id)

    def hand_made(self, parted: Parted) -> Sequence[HandMade]:
        rows = TagAssignment.objects.filter(profile=parted.from_id, origin__isnull=False).select_related("tag", "value")
        leaving = set(rows.filter(parted.takes_by_hand(TagAssignment)).values_list("pk", flat=True))
        return [
            HandMade.of(
                row,
                label=f"{row.tag.name}: {row.value.name}" if row.value else row.tag.name,
                written_at=row.assigned_at,
                goes=row.pk in leaving,
            )
            for row in rows.order_by("-assigned_at", "-pk")
        ]


class Carried(NamedTuple):
    """What a rule had assigned to an absorbed profile. `tag_key` is None where the tag is not in use."""

    assigned_at: datetime
    tag_id: int
    tag_key: str | None
    absorbed: int
    survivor: int
    value_id: int | None


def hand_over(merged: Sequence[Merged]) -> None:
    """What rules assigned to the absorbed is left to the refresh. Where the tag is not in use, it goes to the survivors
    that do not carry it; the earliest of several.
    """
    gone = take_off(merged)
    survivors = Scope([pair.survivor for pair in merged]).on("profile_id")
    carriers = set(TagAssignment.objects.filter(survivors).values_list("tag_id", "profile_id")) if gone else set()
    free = [row for row in gone if (row.tag_id, row.survivor) not in carriers]
    bequeath(
        Heir(f"tag:{row.tag_key}", row.survivor, row.absorbed, row.value_id or NO_VALUE, row.assigned_at)
        for row in free
        if row.tag_key is not None
    )
    earliest: dict[tuple[int, int], Carried] = {}
    for row in free:
        if row.tag_key is None:
            earliest.setdefault((row.tag_id, row.survivor), row)
    copy_rows(
        TagAssignment._meta.db_table,
        ["tag_id", "profile_id", "value_id", "assigned_at"],
        ((row.tag_id, row.survivor, row.value_id, row.assigned_at) for row in earliest.values()),
    )


def take_off(merged: Sequence[Merged]) -> list[Carried]:
    """Delete what rules assigned to the absorbed; the earliest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM tags_tagassignment AS assignment
            USING unnest(%s::bigint[], %s::bigint[]) AS merged (absorbed, survivor), tags_tag AS tag
            WHERE assignment.profile_id = merged.absorbed AND assignment.origin_id IS NULL AND tag.id = tag_id
            RETURNING assigned_at, tag.id, CASE WHEN tag.lifecycle = %s AND tag.kind = ANY(%s) THEN tag.key END,
                merged.absorbed, merged.survivor, value_id
            """,
            [
                [pair.absorbed for pair in merged],
                [pair.survivor for pair in merged],
                Tag.Lifecycle.ACTIVE,
                list(FILLED_BY_RULE),
            ],
        )
        return sorted((Carried(*row) for row in cursor.fetchall()), key=lambda row: row[:2] + row[3:5])


def displace(merged: Sequence[Merged]) -> None:
    """Put aside all but the latest assignment of each tag that comes together on one survivor; its own wins a tie, and
    one in force over one that has ended.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH merged AS (
                SELECT * FROM unnest(%s::bigint[], %s::bigint[]) AS merged (absorbed, survivor)
            ), sides AS (
                SELECT absorbed AS profile_id, survivor FROM merged
                UNION
                SELECT survivor, survivor FROM merged
            ), ranked AS (
                SELECT assignment.id,
                       sides.survivor,
                       row_number() OVER latest AS place
                FROM sides
                JOIN tags_tagassignment AS assignment USING (profile_id)
                WHERE assignment.origin_id IS NOT NULL
                WINDOW latest AS (
                    PARTITION BY sides.survivor, assignment.tag_id
                    ORDER BY assignment.is_ended, assignment.assigned_at DESC, profile_id = survivor DESC, assignment.id
                )
            ), lost AS (
                DELETE FROM tags_tagassignment AS assignment
                USING ranked
                WHERE ranked.id = assignment.id AND ranked.place > 1
                RETURNING assignment.*, ranked.survivor
            )
            INSERT INTO tags_displacedtag
                (tag_id, value_id, profile_id, origin_id, assigned_at, expires_at, assigned_by_id, import_id)
            SELECT tag_id, value_id, survivor, origin_id, assigned_at, expires_at, assigned_by_id, import_id
            FROM lost
            """,
            [[pair.absorbed for pair in merged], [pair.survivor for pair in merged]],
        )


def restore_displaced(profile_ids: Sequence[int], tag_ids: Sequence[int], *, now: datetime) -> None:
    """Of each of these tags that one of these profiles carries no more, the latest that was displaced comes back: one
    in force, as far as there is one.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH latest AS (
                SELECT DISTINCT ON (displaced.profile_id, displaced.tag_id) displaced.*
                FROM tags_displacedtag AS displaced
                WHERE displaced.profile_id = ANY(%s) AND displaced.tag_id = ANY(%s) AND NOT EXISTS (
                    SELECT
                    FROM tags_tagassignment AS held
                    WHERE held.profile_id = displaced.profile_id AND held.tag_id = displaced.tag_id
                )
                ORDER BY displaced.profile_id, displaced.tag_id, coalesce(displaced.expires_at <= %s, false),
                    displaced.assigned_at DESC, displaced.origin_id = displaced.profile_id DESC, displaced.id
            ), back AS (
                DELETE FROM tags_displacedtag AS displaced
                USING latest
                WHERE displaced.id = latest.id
                RETURNING displaced.*
            )
            INSERT INTO tags_tagassignment
                (tag_id, value_id, profile_id, origin_id, assigned_at, expires_at, assigned_by_id, import_id, is_ended)
            SELECT tag_id, value_id, profile_id, origin_id, assigned_at, expires_at, assigned_by_id, import_id,
                coalesce(expires_at <= %s, false)
            FROM back
            """,
            [list(profile_ids), list(tag_ids), now, now],
        )


@register_follower
class TagChangeFollower(Follower):
    """Changes are history: they keep the profile that they speak of, and readers resolve it."""

    model = TagChange

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        return

    def split(self, parted: Parted, *, now: datetime) -> None:
        return


@register_follower
class DisplacedTagFollower(Follower):
    """They stay with the person; TagAssignmentFollower brings them back."""

    model = DisplacedTag

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        move_rows(DisplacedTag, merged)

    def split(self, parted: Parted, *, now: datetime) -> None:
        return


@register_follower
class ScoreFollower(Follower):
    """Scores of the absorbed go; the others stay as they are, at a split too, until they are scored anew."""

    model = Score

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        Score.objects.filter(Scope([pair.absorbed for pair in merged]).on("profile_id")).delete()

    def split(self, parted: Parted, *, now: datetime) -> None:
        return

    def erase(self, profile_ids: Sequence[int], *, now: datetime) -> None:
        erase_rows(Score, profile_ids)
