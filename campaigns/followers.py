"""How deliveries follow a split; at a merge they stay where they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Exists, OuterRef

from campaigns.models import Delivery
from profiles.followers import Follower, Merged, Parted, register_follower
from profiles.models import Identifier

SETTLED = (Delivery.State.SENT, Delivery.State.FAILED, Delivery.State.UNKNOWN)


@register_follower
class DeliveryFollower(Follower):
    """Deliveries keep their profile through every merge, as the record of whom was written to; readers resolve merged
    ids. At a split those that went out go where their address goes.
    """

    model = Delivery

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        return

    def split(self, parted: Parted, *, now: datetime) -> None:
        """One that the other had of the same launch is its own record of it; then both stay where they are."""
        addresses = Identifier.objects.filter(pk__in=list(parted.identifiers)).values_list("value", flat=True)
        had = Delivery.objects.filter(
            profile=parted.to_id,
            campaign=OuterRef("campaign"),
            step=OuterRef("step"),
            occurrence=OuterRef("occurrence"),
        )
        Delivery.objects.filter(
            ~Exists(had), profile=parted.from_id, state__in=SETTLED, address__in=list(addresses)
        ).update(profile=parted.to_id)
