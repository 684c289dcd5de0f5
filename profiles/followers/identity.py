"""How the identifiers, the profile rows and the merges themselves follow a merge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from profiles.followers import Follower, Merged, move_rows, register_follower
from profiles.models import Identifier, Profile, ProfileMerge


@register_follower
class IdentifierFollower(Follower):
    """Identifiers move; contributions hang on them and move along."""

    model = Identifier

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        move_rows(Identifier, merged)


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
