"""Wake the next stage of the work by name, so that no app imports one above it."""

from django.conf import settings
from django.db import transaction

from cdp.celery import app
from cdp.throttle import is_first_within

DELAY_SECONDS = 0.2


def wake(stage: str) -> None:
    """Send the task of `settings.STAGES[stage]` once the transaction commits; beat finds the work if this is lost.

    One message serves whoever wakes the stage within DELAY_SECONDS, after which it is worked on: theirs are committed
    by then.
    """
    transaction.on_commit(lambda: _send(stage), robust=True)


def _send(stage: str) -> None:
    if is_first_within(f"woken:{stage}", DELAY_SECONDS):
        app.send_task(settings.STAGES[stage], countdown=DELAY_SECONDS)
