"""How the identifiers, the profile rows and the merges themselves follow a merge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from profiles.followers import Follower, Merged, Parted, move_rows, register_follower
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

    def split(self, parted: Parted, *, now: datetime) -> None:
        """Those that were written on a profile that goes along keep that origin; the others are at home from now on."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE profiles_identifier
                SET profile_id = %s, origin_id = CASE WHEN origin_id = ANY(%s) AND origin_id <> %s THEN origin_id END
                WHERE id = ANY(%s)
                """,
                [parted.to_id, list(parted.origins), parted.to_id, list(parted.identifiers)],
            )


@register_follower
class ProfileFollower(Follower):
    """Profiles that were merged into an absorbed one point at its survivor directly."""

    model = Profile

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        move_rows(Profile, merged, column="merged_into_id")

    def split(self, parted: Parted, *, now: datetime) -> None:
        """Those that went along point at whom they went to; who lives again points at nobody."""
        Profile.objects.filter(pk__in=parted.origins).exclude(pk=parted.to_id).update(merged_into=parted.to_id)
        Profile.objects.filter(pk=parted.to_id).update(merged_into=None)


@register_follower
class ProfileMergeFollower(Follower):
    """Merges are history: they keep the two profiles that they speak of. At a split they note below whom they hang."""

    model = ProfileMerge

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        return

    def split(self, parted: Parted, *, now: datetime) -> None:
        for rehung in parted.rehung:
            ProfileMerge.objects.filter(pk=rehung.merge_id).update(parent=rehung.parent_id)


@register_follower
class ProfileSplitFollower(Follower):
    """History, as merges."""

    model = ProfileSplit

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        return

    def split(self, parted: Parted, *, now: datetime) -> None:
        return
