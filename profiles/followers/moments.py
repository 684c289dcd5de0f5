"""How the dates and times of golden records follow a merge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from profiles.followers import Follower, Merged, Parted, erase_rows, register_follower
from profiles.models import ProfileMoment


@register_follower
class ProfileMomentFollower(Follower):
    """They are written with the golden record: those of the absorbed go with it, all others when it is folded."""

    model = ProfileMoment

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        erase_rows(ProfileMoment, [pair.absorbed for pair in merged])

    def split(self, parted: Parted, *, now: datetime) -> None:
        return

    def erase(self, profile_ids: Sequence[int], *, now: datetime) -> None:
        erase_rows(ProfileMoment, profile_ids)
