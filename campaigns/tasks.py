"""Doorways of the worker. The database says what is due; the broker only hurries."""

from datetime import datetime

from celery import shared_task
from django.utils import timezone

from campaigns.services.deliver import deliver_due as deliver_due_batch
from campaigns.services.plan import PLAN_CAMPAIGN, plan_campaign
from cdp.lanes import work_through
from cdp.models import Run
from cdp.runs import run_kind


@run_kind(PLAN_CAMPAIGN)
def plan(run: Run, now: datetime) -> None:
    """Freeze the audience of the campaign that the run's subject names."""
    plan_campaign(run, now=now)


@shared_task(name="campaigns.deliver_due", acks_late=True)
def deliver_due() -> None:
    """Send what is due, batch after batch."""
    work_through("deliveries_planned", lambda: deliver_due_batch(now=timezone.now()))
