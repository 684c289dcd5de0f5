"""Waiting for the workers, with an end to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from cdp.models import Run
from profiles.models import InboxMessage, ProfileChange

Progress = Callable[[int, int], None]  # done, of how many

POLL_SECONDS = 0.2
STALLED_SECONDS = 120


class StoryError(Exception):
    """The story cannot go on; the text says why."""


def wait_until_none(what: str, count_left: Callable[[], int], progress: Progress) -> None:
    """Wait until nothing is left. Raises StoryError when nothing has moved for two minutes."""
    total = left = count_left()
    moved_at = time.monotonic()
    while left:
        progress(total - left, total)
        if time.monotonic() - moved_at > STALLED_SECONDS:
            raise StoryError(f"{what}: {left} are left, and nothing has moved for {STALLED_SECONDS} s.")
        time.sleep(POLL_SECONDS)
        before, left = left, count_left()
        total = max(total, left)
        if left != before:
            moved_at = time.monotonic()


def wait_for_inbox(progress: Progress) -> None:
    """Until every message that was accepted is processed."""
    wait_until_none("messages in the inbox", InboxMessage.objects.count, progress)


def wait_for_changes(clock: Callable[[], datetime], progress: Progress) -> None:
    """Until tags, segments and tiers have followed everything that is due."""
    wait_until_none("changed profiles", lambda: ProfileChange.objects.filter(due_at__lte=clock()).count(), progress)


def wait_for_run(run: Run, progress: Progress) -> None:
    """Until the run has ended. Raises StoryError where it failed, with its error."""
    moved_at, before = time.monotonic(), (run.state, run.done)
    while run.state in (Run.State.QUEUED, Run.State.RUNNING):
        progress(run.done, run.total or 0)
        time.sleep(POLL_SECONDS)
        run.refresh_from_db()
        if (run.state, run.done) != before:
            moved_at, before = time.monotonic(), (run.state, run.done)
        if time.monotonic() - moved_at > STALLED_SECONDS:
            raise StoryError(f"{run}: nothing has moved for {STALLED_SECONDS} s.")
    if run.state != Run.State.SUCCEEDED:
        raise StoryError(f"{run}: {run.error or run.get_state_display()}")
