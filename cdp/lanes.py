"""A stage's work, done by a bounded number of tasks at once: the other workers stay free for the other stages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings

from cdp.locks import session_lock
from cdp.stages import note_begun, wake

SLICE_SECONDS = 5  # then the other work of the worker gets its turn


def work_through(stage: str, step: Callable[[], object]) -> None:
    """Repeat `step` until it answers with nothing done (0, False), if the stage has a free lane.

    When its time is up the task ends and wakes the stage again. Without lanes, each tick of beat during a backlog would
    start one more that goes on, until no worker were left for anything else; who finds none leaves the work to those
    who have them.
    """
    with lane(stage) as is_free:
        is_more_due = is_free and step_for_a_while(step)
    if is_more_due:
        wake(stage)


def step_for_a_while(step: Callable[[], object]) -> bool:
    """Step until nothing is done or the time is up; returns whether there may be more to do."""
    ends = time.monotonic() + SLICE_SECONDS
    while step():
        if time.monotonic() > ends:
            return True
    return False


@contextmanager
def lane(stage: str, *, places: int | None = None) -> Iterator[bool]:
    """Hold one of the stage's places, `settings.STAGE_LANES` at most, while the block runs; yields False where all are
    taken.
    """
    note_begun(stage)
    for place in range(min(places or settings.STAGE_LANES, settings.STAGE_LANES)):
        with session_lock(f"lane:{stage}", place, wait=False) as is_mine:
            if is_mine:
                yield True
                return
    yield False
