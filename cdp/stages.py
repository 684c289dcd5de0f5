"""Wake the next stage of the work by name, so that no app imports one above it."""

from django.conf import settings
from django.db import transaction

from cdp.celery import app


def wake(stage: str) -> None:
    """Send the task of `settings.STAGES[stage]` once the transaction commits; beat finds the work if this is lost."""
    name = settings.STAGES[stage]
    transaction.on_commit(lambda: app.send_task(name), robust=True)
