"""Who is in several segments: counts of each combination, by one pass over the members of those that are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from cdp.local_settings import HEAVY_WORK_MEM, set_local
from segments.models import Segment

MAX_SEGMENTS = 10


@dataclass(frozen=True)
class Overlap:
    """`exactly` counts people by the places of the segments that they are in, as bits: 0b101 is the first and the third
    and no other of these.
    """

    segments: Sequence[Segment]
    exactly: dict[int, int]

    def of_all(self, places: Sequence[int]) -> int:
        """How many are in all of these, whatever else they are in."""
        wanted = sum(1 << place for place in set(places))
        return sum(n for mask, n in self.exactly.items() if mask & wanted == wanted)

    def pairs(self) -> list[list[int]]:
        """By place and place, how many are in both; a segment and itself are its members."""
        places = range(len(self.segments))
        return [[self.of_all([row, column]) for column in places] for row in places]

    def of_any(self) -> int:
        return sum(self.exactly.values())

    def combinations(self) -> list[tuple[list[Segment], int]]:
        """Those that people are in and no other of these, the largest first."""
        ordered = sorted(self.exactly.items(), key=lambda item: (-item[1], item[0]))
        return [([each for place, each in enumerate(self.segments) if mask >> place & 1], n) for mask, n in ordered]


@transaction.atomic
def overlap_of(segments: Sequence[Segment]) -> Overlap:
    """Of up to `MAX_SEGMENTS` segments, as of now."""
    set_local(work_mem=HEAVY_WORK_MEM)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT mask, count(*)
            FROM (
                SELECT bit_or(1 << (array_position(%(ids)s::bigint[], segment_id) - 1)) AS mask
                FROM segments_membership
                WHERE segment_id = ANY(%(ids)s::bigint[])
                GROUP BY profile_id
            ) AS people
            GROUP BY mask
            """,
            {"ids": [segment.pk for segment in segments]},
        )
        return Overlap(segments, dict(cursor.fetchall()))
