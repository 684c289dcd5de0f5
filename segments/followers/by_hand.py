"""How memberships by hand follow a merge and a split: facts, which keep the profile that they were written on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django.db import connection

from cdp.rules.scope import Scope
from profiles.followers import Merged, Parted
from segments.models import DisplacedMembership, Membership


class Moves(NamedTuple):
    """Who entered and who left, as (segment, profile)."""

    entered: list[tuple[int, int]]
    left: list[tuple[int, int]]


def move_by_hand(merged: Sequence[Merged]) -> Moves:
    """The memberships of the absorbed move; of several in one segment the earliest stays, the others are kept aside."""
    survivors = {pair.absorbed: pair.survivor for pair in merged}
    sides = Scope(sorted({*survivors, *survivors.values()})).on("profile_id")
    rows = Membership.objects.filter(sides, origin__isnull=False).order_by("segment_id", "profile_id")
    held = list(rows.values_list("segment_id", "profile_id"))
    left = [(segment_id, profile_id) for segment_id, profile_id in held if profile_id in survivors]
    if not left:
        return Moves([], [])
    displace(merged)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE segments_membership AS membership
            SET profile_id = merged.survivor
            FROM unnest(%s::bigint[], %s::bigint[]) AS merged (absorbed, survivor)
            WHERE membership.profile_id = merged.absorbed AND membership.origin_id IS NOT NULL
            """,
            [[pair.absorbed for pair in merged], [pair.survivor for pair in merged]],
        )
    entered = {(segment_id, survivors[profile_id]) for segment_id, profile_id in left} - set(held)
    return Moves(sorted(entered), left)


def displace(merged: Sequence[Merged]) -> None:
    """Put aside all but the earliest membership in each segment that comes together on one survivor; its own wins a
    tie.
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
                SELECT membership.id,
                       sides.survivor,
                       row_number() OVER earliest AS place
                FROM sides
                JOIN segments_membership AS membership USING (profile_id)
                WHERE membership.origin_id IS NOT NULL
                WINDOW earliest AS (
                    PARTITION BY sides.survivor, membership.segment_id
                    ORDER BY membership.entered_at, profile_id = survivor DESC, membership.id
                )
            ), lost AS (
                DELETE FROM segments_membership AS membership
                USING ranked
                WHERE ranked.id = membership.id AND ranked.place > 1
                RETURNING membership.*, ranked.survivor
            )
            INSERT INTO segments_displacedmembership
                (segment_id, profile_id, origin_id, entered_at, added_by_id, import_id)
            SELECT segment_id, survivor, origin_id, entered_at, added_by_id, import_id
            FROM lost
            """,
            [[pair.absorbed for pair in merged], [pair.survivor for pair in merged]],
        )


def part_by_hand(parted: Parted) -> Moves:
    """Those that go, and on both sides the earliest that gave way, of each segment that the person was in."""
    held = Membership.objects.filter(profile=parted.from_id, origin__isnull=False).order_by("segment_id")
    before = list(held.values_list("segment_id", flat=True))
    held.filter(parted.takes_by_hand(Membership)).update(profile=parted.to_id)
    displaced = DisplacedMembership.objects.filter(parted.takes_by_hand(DisplacedMembership), profile=parted.from_id)
    displaced.update(profile=parted.to_id)
    if not before:
        return Moves([], [])
    restore_displaced([parted.from_id, parted.to_id], before)
    stays = set(held.values_list("segment_id", flat=True))
    goes = Membership.objects.filter(profile=parted.to_id, origin__isnull=False, segment__in=before)
    return Moves(
        [(segment_id, parted.to_id) for segment_id in sorted(goes.values_list("segment_id", flat=True))],
        [(segment_id, parted.from_id) for segment_id in before if segment_id not in stays],
    )


def restore_displaced(profile_ids: Sequence[int], segment_ids: Sequence[int]) -> list[tuple[int, int]]:
    """Where one of these profiles is in none of these segments any more, the earliest that gave way comes back.

    Returns those as (segment, profile).
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH earliest AS (
                SELECT DISTINCT ON (displaced.profile_id, displaced.segment_id) displaced.*
                FROM segments_displacedmembership AS displaced
                WHERE displaced.profile_id = ANY(%s) AND displaced.segment_id = ANY(%s) AND NOT EXISTS (
                    SELECT
                    FROM segments_membership AS held
                    WHERE held.profile_id = displaced.profile_id AND held.segment_id = displaced.segment_id
                )
                ORDER BY displaced.profile_id, displaced.segment_id, displaced.entered_at,
                    displaced.origin_id = displaced.profile_id DESC, displaced.id
            ), back AS (
                DELETE FROM segments_displacedmembership AS displaced
                USING earliest
                WHERE displaced.id = earliest.id
                RETURNING displaced.*
            )
            INSERT INTO segments_membership (segment_id, profile_id, origin_id, entered_at, added_by_id, import_id)
            SELECT segment_id, profile_id, origin_id, entered_at, added_by_id, import_id
            FROM back
            RETURNING segment_id, profile_id
            """,
            [list(profile_ids), list(segment_ids)],
        )
        return [(segment_id, profile_id) for segment_id, profile_id in cursor.fetchall()]
