"""How events follow a merge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from profiles.followers import Follower, Merged, move_rows, register_follower
from profiles.models import Event


@register_follower
class EventFollower(Follower):
    """Events move; each keeps its anchor, by which a split can tell whose it was."""

    model = Event

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        move_rows(Event, merged)
