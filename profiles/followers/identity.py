"""How the identifiers, the profile rows and the merges themselves follow a merge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from profiles.followers import Follower, Merged, move_rows, register_follower
from profiles.models import Identifier, Profile, ProfileMerge, ProfileSplit


@register_follower
class IdentifierFollower(Follower):
    """Identifiers move and keep their origin; contributions hang on them and move along."""

    model = Identifier

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE profiles_identifier AS identifier
                SET profile_id = merged.survivor, origin_id = coalesce(identifier.origin_id, merged.absorbed)
                FROM unnest(%s::bigint[], %s::bigint[]) AS merged (absorbed, survivor)
                WHERE identifier.profile_id = merged.absorbed
                """,
                [[pair.absorbed for pair in merged], [pair.survivor for pair in merged]],
            )


@register_follower
class ProfileFollower(Follower):
    """Profiles that were merged into an absorbed one point at its survivor directly."""

    model = Profile

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        move_rows(Profile, merged, column="merged_into_id")


@register_follower
class ProfileMergeFollower(Follower):
    """Merges are history: they keep the two profiles that they speak of."""

    model = ProfileMerge

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        return


@register_follower
class ProfileSplitFollower(Follower):
    """History, as merges."""

    model = ProfileSplit

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        return
