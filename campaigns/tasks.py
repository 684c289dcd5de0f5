"""Doorways of the worker. The database says what is due; the broker only hurries."""

import time
from datetime import datetime

from celery import shared_task
from django.utils import timezone

from campaigns.services.deliver import deliver_due as deliver_due_batch
from campaigns.services.lanes import delivery_lane
from campaigns.services.plan import PLAN_CAMPAIGN, plan_campaign
from cdp.models import Run
from cdp.runs import run_kind
from cdp.stages import wake

SLICE_SECONDS = 5  # then other work of the worker gets its turn


@run_kind(PLAN_CAMPAIGN)
def plan(run: Run, now: datetime) -> None:
    """Freeze the audience of the campaign that the run's subject names."""
    plan_campaign(run, now=now)


@shared_task(name="campaigns.deliver_due", acks_late=True)
def deliver_due() -> None:
    """Send what is due, for a while, if there is a free lane; whoever has the last one goes on by itself.

    Without lanes each tick of beat would start one more that goes on, until no worker were left for anything else.
    """
    with delivery_lane() as is_free:
        is_more_due = is_free and deliver_for_a_while()
    if is_more_due:
        wake("deliveries_planned")


def deliver_for_a_while() -> bool:
    """Send batch after batch until nothing is due or the time is up; returns whether more may be due."""
    ends = time.monotonic() + SLICE_SECONDS
    while deliver_due_batch(now=timezone.now()):
        if time.monotonic() > ends:
            return True
    return False
