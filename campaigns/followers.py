"""How deliveries follow a split; at a merge they stay where they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from campaigns.models import Delivery
from profiles.followers import Follower, Merged, Parted, register_follower
from profiles.models import Identifier, Profile

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
        addresses = list(Identifier.objects.filter(pk__in=list(parted.identifiers)).values_list("value", flat=True))
        person = Q(pk=parted.from_id) | Q(merged_into=parted.from_id)
        staying = list(Profile.objects.filter(person).exclude(pk__in=parted.origins).values_list("pk", flat=True))
        out = Delivery.objects.filter(profile__in=staying, state__in=SETTLED, address__in=addresses)
        same_launch = {name: OuterRef(name) for name in ("campaign", "step", "occurrence")}
        had = Delivery.objects.filter(profile=parted.to_id, **same_launch)
        earlier = out.filter(pk__lt=OuterRef("pk"), **same_launch)
        out.filter(~Exists(had), ~Exists(earlier)).update(profile=parted.to_id)
