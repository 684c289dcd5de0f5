"""How the facts of this app move when profiles merge: not at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from campaigns.models import Delivery
from profiles.followers import Follower, Merged, register_follower


@register_follower
class DeliveryFollower(Follower):
    """Deliveries keep their profile for ever, as the record of whom was written to; readers resolve merged ids."""

    model = Delivery

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        return
