"""How suggestions of duplicates follow a merge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from django.db.models import Q

from profiles.followers import Follower, Merged, Parted, register_follower
from profiles.models import DuplicateSuggestion


@register_follower
class DuplicateSuggestionFollower(Follower):
    """They keep the two profiles that they speak of; an open one is outdated once both are one person.

    Where only one of the two merged into a third, it goes on speaking of the people that they are now.
    """

    model = DuplicateSuggestion

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                WITH merged AS (
                    SELECT * FROM unnest(%s::bigint[], %s::bigint[]) AS merged (absorbed, survivor)
                ), part AS (
                    SELECT absorbed AS id, survivor FROM merged
                    UNION
                    SELECT survivor, survivor FROM merged
                    UNION
                    SELECT earlier.id, merged.survivor
                    FROM merged
                    JOIN profiles_profile AS earlier ON earlier.merged_into_id IN (merged.absorbed, merged.survivor)
                ), locked AS MATERIALIZED (
                    SELECT suggestion.id
                    FROM part AS one
                    JOIN profiles_duplicatesuggestion AS suggestion ON suggestion.left_id = one.id
                    JOIN part AS other ON other.id = suggestion.right_id AND other.survivor = one.survivor
                    WHERE suggestion.state = 'open'
                    ORDER BY suggestion.id
                    FOR UPDATE OF suggestion
                )
                UPDATE profiles_duplicatesuggestion AS suggestion
                SET state = 'outdated'
                FROM locked
                WHERE suggestion.id = locked.id
                """,
                [[pair.absorbed for pair in merged], [pair.survivor for pair in merged]],
            )

    def erase(self, profile_ids: Sequence[int], *, now: datetime) -> None:
        """Nobody is left to be somebody else."""
        gone = Q(left__in=list(profile_ids)) | Q(right__in=list(profile_ids))
        outdated = DuplicateSuggestion.objects.open().filter(gone).locked()
        DuplicateSuggestion.objects.filter(pk__in=outdated).update(state=DuplicateSuggestion.State.OUTDATED)

    def split(self, parted: Parted, *, now: datetime) -> None:
        """An accepted pair that is taken apart counts as rejected: somebody knew better."""
        origins = list(parted.origins)
        goes, stays = Q(left__in=origins) & ~Q(right__in=origins), Q(right__in=origins) & ~Q(left__in=origins)
        accepted = DuplicateSuggestion.objects.filter(goes | stays, state=DuplicateSuggestion.State.ACCEPTED).locked()
        DuplicateSuggestion.objects.filter(pk__in=accepted).update(
            state=DuplicateSuggestion.State.REJECTED, decided_at=now, decided_by=None
        )
