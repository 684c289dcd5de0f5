"""Leases that ran out: their worker was killed, or is so late that others go on without it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from campaigns.channels.base import all_channels
from campaigns.models import Attempt, Delivery


def reclaim_lapsed(*, now: datetime) -> int:
    """Put every delivery right whose lease ran out; returns how many.

    Claimed: nothing left, planned again. Sending: planned again with the same key where the channel sends a key once;
    else it may have gone or not, and is shown as unknown. An unknown keeps its token: a late answer may settle it.
    """
    if not Delivery.objects.lapsed(now).exists():
        return 0
    idempotent = [channel.key for channel in all_channels() if channel.is_idempotent]
    with transaction.atomic():
        lapsed = Delivery.objects.lapsed(now).select_related("campaign").order_by("pk")
        rows = list(lapsed.select_for_update(of=("self",), skip_locked=True, no_key=True))
        again = [row.pk for row in rows if row.state == Delivery.State.CLAIMED or row.campaign.channel in idempotent]
        sending = [row.pk for row in rows if row.state == Delivery.State.SENDING]
        doubtful = [row.pk for row in rows if row.pk not in set(again)]
        Attempt.objects.filter(delivery__in=sending, outcome="").update(
            ended_at=now, outcome=Attempt.Outcome.UNKNOWN, detail="no answer before the lease ran out"
        )
        Delivery.objects.filter(pk__in=again).update(state=Delivery.State.PLANNED, token=None, leased_until=None)
        Delivery.objects.filter(pk__in=doubtful).update(
            state=Delivery.State.UNKNOWN, detail="no answer before the lease ran out", leased_until=None
        )
    return len(rows)
