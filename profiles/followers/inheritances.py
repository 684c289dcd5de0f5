"""How what waits for a judgement follows a merge and a split."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from profiles.followers import Follower, Merged, Parted, erase_rows, move_rows, register_follower
from profiles.models import Inheritance


@register_follower
class InheritanceFollower(Follower):
    """It waits for whoever `origin` is now."""

    model = Inheritance

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        move_rows(Inheritance, merged)

    def split(self, parted: Parted, *, now: datetime) -> None:
        going = Inheritance.objects.filter(profile=parted.from_id, origin__in=list(parted.origins))
        going.update(profile=parted.to_id)

    def erase(self, profile_ids: Sequence[int], *, now: datetime) -> None:
        erase_rows(Inheritance, profile_ids)
