"""How tags and scores follow a merge."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from cdp.rules.scope import Scope
from profiles.followers import Follower, Merged, move_rows, register_follower
from profiles.models import ProfileMerge
from tags.models import Score, TagAssignment


class Displaced(NamedTuple):
    """An assignment by hand that gave way to a later one of the same tag, which was on `winner`."""

    survivor: int
    winner: int
    row: dict[str, Any]


@register_follower
class TagAssignmentFollower(Follower):
    """What hands assigned moves and keeps its origin; what rules assigned goes, and the refresh follows.

    Where both carry a tag by hand, the later assignment stays; the other is kept in the ProfileMerge under `tags`.
    """

    model = TagAssignment

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        absorbed = Scope([pair.absorbed for pair in merged])
        TagAssignment.objects.filter(absorbed.on("profile_id"), origin__isnull=True).delete()
        keep_displaced(displace(merged))
        move_rows(TagAssignment, merged)


def displace(merged: Sequence[Merged]) -> list[Displaced]:
    """Take off all but the latest assignment of each tag that comes together on one survivor; its own wins a tie."""
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
                       row_number() OVER latest AS place,
                       first_value(assignment.profile_id) OVER latest AS winner
                FROM sides
                JOIN tags_tagassignment AS assignment USING (profile_id)
                WHERE assignment.origin_id IS NOT NULL
                WINDOW latest AS (
                    PARTITION BY sides.survivor, assignment.tag_id
                    ORDER BY assignment.assigned_at DESC, profile_id = survivor DESC, assignment.id
                )
            )
            DELETE FROM tags_tagassignment AS lost
            USING ranked
            WHERE ranked.id = lost.id AND ranked.place > 1
            RETURNING ranked.survivor, ranked.winner, to_jsonb(lost)
            """,
            [[pair.absorbed for pair in merged], [pair.survivor for pair in merged]],
        )
        return [Displaced(survivor, winner, json.loads(row)) for survivor, winner, row in cursor.fetchall()]


def keep_displaced(displaced: Iterable[Displaced]) -> None:
    """Note each in the merge that displaced it, on the side of the profile that carried it."""
    by_side: dict[tuple[int, str], list[dict[str, Any]]] = defaultdict(list)
    for survivor, winner, row in displaced:
        carrier = row["profile_id"]
        by_side[(winner, "survivor_before") if carrier == survivor else (carrier, "absorbed_before")].append(row)
    absorbed = Scope([profile_id for profile_id, _side in by_side]).on("absorbed")
    merges = {merge.absorbed_id: merge for merge in ProfileMerge.objects.filter(absorbed).order_by("id")}
    for (profile_id, side), rows in by_side.items():
        getattr(merges[profile_id], side)["tags"] = rows
    ProfileMerge.objects.bulk_update(merges.values(), ["absorbed_before", "survivor_before"])


@register_follower
class ScoreFollower(Follower):
    """Scores of the absorbed go; the survivor is scored anew from all that both did."""

    model = Score

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        Score.objects.filter(Scope([pair.absorbed for pair in merged]).on("profile_id")).delete()
