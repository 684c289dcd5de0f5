"""How events follow a merge and a split."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from profiles.followers import Follower, Merged, Parted, move_rows, register_follower
from profiles.models import Event


@register_follower
class EventFollower(Follower):
    """Events move; each keeps its anchor, with which it goes at a split."""

    model = Event

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        move_rows(Event, merged)

    def split(self, parted: Parted, *, now: datetime) -> None:
        Event.objects.filter(profile=parted.from_id, anchor__in=list(parted.identifiers)).update(profile=parted.to_id)
