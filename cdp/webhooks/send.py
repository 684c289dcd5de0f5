"""Send what is due, to many receivers at once: one that hangs holds up nobody else."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime

from cdp.webhooks.outbox import Dispatch, claim, record
from cdp.webhooks.post import Answer, post
from cdp.webhooks.signing import signed_headers

AT_ONCE = 16
SLICE_SECONDS = 5  # then the other work of the worker gets its turn


def send_due(*, now: Callable[[], datetime]) -> bool:
    """Send until nothing is due or the time is up; returns whether there may be more.

    The threads do nothing but ask over the network; the database is this thread's alone.
    """
    ends = time.monotonic() + SLICE_SECONDS
    under_way: dict[Future[Answer], Dispatch] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while True:
            is_time_up = time.monotonic() > ends
            any_due = False
            if not is_time_up:
                dispatches, any_due = claim(limit=AT_ONCE - len(under_way), now=now())
                under_way |= {pool.submit(ask, dispatch, now=now()): dispatch for dispatch in dispatches}
            if not under_way and not any_due:
                return is_time_up
            done, _rest = wait(under_way, timeout=1, return_when=FIRST_COMPLETED)
            for future in done:
                record(under_way.pop(future), future.result(), now=now())


def ask(dispatch: Dispatch, *, now: datetime) -> Answer:
    """One attempt, signed at this moment: receivers refuse what was signed long ago."""
    headers = signed_headers(dispatch.message_id, dispatch.body.decode(), keys=dispatch.keys, now=now)
    return post(dispatch.url, dispatch.body, headers)
