"""Wake the next stage of the work by name, so that no app imports one above it."""

from django.conf import settings
from django.db import transaction

from cdp.celery import app
from cdp.throttle import forget, is_first_within

DELAY_SECONDS = 0.2
WAITING_SECONDS = 30  # a message that was not begun by then is lost or late: another may be sent, and it is dropped


def wake(stage: str) -> None:
    """Send the task of `settings.STAGES[stage]` once the transaction commits; beat finds the work if this is lost.

    One message waits for a stage at a time: whoever wakes it before it is begun is committed by then. With a message
    for each, long work that wakes a stage all the time would fill the queue, and all others would wait behind.
    """
    transaction.on_commit(lambda: _send(stage), robust=True)


def note_begun(stage: str) -> None:
    """The task of the stage begins: what is committed from now on needs another message."""
    forget(f"woken:{stage}")


def _send(stage: str) -> None:
    if is_first_within(f"woken:{stage}", WAITING_SECONDS):
        app.send_task(settings.STAGES[stage], countdown=DELAY_SECONDS, expires=WAITING_SECONDS)
