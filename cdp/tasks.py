"""Doorways of the platform."""

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from cdp import runs
from cdp.feeds import STAGE
from cdp.lanes import lane
from cdp.retention import purge_feeds, purge_messages
from cdp.stages import wake
from cdp.webhooks.notices import tell_owners
from cdp.webhooks.send import send_due

SENDERS = 2  # each sends to many at once
LONG_RUNS = "long_runs"


@shared_task(name="cdp.execute_run", acks_late=True)
def execute_run(run_id: int) -> None:
    """Carry out one run. A second call finds it held or ended, and passes on.

    Long work leaves one process of the workers to the rest, as far as there are two: two large files at once would keep
    messages waiting for as long as both take. What finds no place is sent again by beat, and once other long work has
    ended.
    """
    if not runs.is_long(run_id):
        runs.execute_run(run_id, now=timezone.now())
        return
    with lane(LONG_RUNS, places=max(1, settings.STAGE_LANES - 1)) as is_free:
        if is_free:
            runs.execute_run(run_id, now=timezone.now())
    if is_free:
        runs.hurry_next_long()


@shared_task(name="cdp.resume_runs")
def resume_runs() -> None:
    """Send out again what was lost."""
    runs.resume_runs()


@shared_task(name="cdp.send_webhooks", acks_late=True)
def send_webhooks() -> None:
    """Tell webhooks what they have not heard. Several may run: a webhook is one's at a time."""
    with lane(STAGE, places=SENDERS) as is_free:
        is_more_due = is_free and send_due(now=timezone.now)
    if is_more_due:
        wake(STAGE)


@shared_task(name="cdp.tell_webhook_owners", acks_late=True)
def tell_webhook_owners() -> None:
    """Write to those whose webhooks were switched off after failures."""
    tell_owners(now=timezone.now())


@shared_task(name="cdp.purge_feeds", acks_late=True)
def purge_old_changes() -> None:
    """Delete changes older than `settings.FEED_RETENTION_DAYS` days, and old attempts of webhooks."""
    now = timezone.now()
    purge_feeds(now=now, days=settings.FEED_RETENTION_DAYS)
    purge_messages(now=now)
