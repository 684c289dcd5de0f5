"""When a campaign is over."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef

from campaigns.models import Campaign, Delivery

OPEN = (Delivery.State.PLANNED, Delivery.State.CLAIMED, Delivery.State.SENDING)


def finish_campaigns(*, now: datetime) -> int:
    """Finish the sending campaigns with no delivery left to send; returns how many.

    Unknown deliveries do not hold a campaign up: nothing will be done about them by itself.
    """
    left = Delivery.objects.filter(campaign=OuterRef("pk"), state__in=OPEN)
    return (
        Campaign.objects.filter(state=Campaign.State.SENDING)
        .exclude(Exists(left))
        .update(state=Campaign.State.FINISHED, finished_at=now)
    )
