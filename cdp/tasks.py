"""Doorways of the platform."""

from celery import shared_task
from django.utils import timezone

from cdp import runs


@shared_task(name="cdp.execute_run", acks_late=True)
def execute_run(run_id: int) -> None:
    """Carry out one run. A second call finds it held or ended, and passes on."""
    runs.execute_run(run_id, now=timezone.now())


@shared_task(name="cdp.resume_runs")
def resume_runs() -> None:
    """Send out again what was lost."""
    runs.resume_runs()
