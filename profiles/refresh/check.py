"""The nightly check: every holder is judged in full, and must find nothing to correct."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.utils.timezone import localtime

from cdp.models import Run
from cdp.rules.causes import Cause
from cdp.runs import advance, queue_run
from profiles.models import HolderClock
from profiles.refresh.engine import RULE_FAILURES, Now
from profiles.refresh.full import Progress, refresh_one
from profiles.refresh.graph import Graph
from profiles.refresh.queue import CHECK, REFOLD, REFRESH

logger = logging.getLogger(__name__)

SUBJECT = "everything"
NIGHT = range(2, 6)  # hours of the business zone
A_NIGHT, TWO_NIGHTS = timedelta(hours=20), timedelta(hours=44)


def queue_due_check(*, now: datetime) -> Run | None:
    """Once a night; where a night was missed, at any hour."""
    last = Run.objects.filter(kind=CHECK).order_by("-id").values_list("created_at", flat=True).first()
    is_night = localtime(now).hour in NIGHT
    if last is None:
        return queue_run(CHECK, SUBJECT) if is_night else None
    return queue_run(CHECK, SUBJECT) if now - last >= (A_NIGHT if is_night else TWO_NIGHTS) else None


def check_everything(run: Run, *, now: Now) -> None:
    """Judge every holder in full, in order, and write what is not as its rules say, with the cause `correction`.

    Whoever waits on the queue is left to it. A holder that is about to be refreshed anyway, with all that depend on it,
    is passed over. Cut off anywhere, it goes on with those that this run has not checked. A holder whose rules fail
    says so on its page.
    """
    n_corrected: int = run.counts.get("corrected", 0)
    n_failed = 0
    keys = list(Graph.load().holders)
    for n_done, key in enumerate(keys):
        advance(run, n_done, len(keys), corrected=n_corrected, failed=n_failed)
        if key in about_to_change() or HolderClock.objects.filter(holder=key, checked_at__gte=run.created_at).exists():
            continue
        progress = Progress(None)
        try:
            refresh_one(key, now=now, cause=Cause.CORRECTION, progress=progress)
        except RULE_FAILURES:
            logger.exception("the check of %s failed", key)
            n_failed += 1
        if progress.done:
            logger.error("the check of %s corrected %s profiles", key, progress.done)
        n_corrected += progress.done
    advance(run, len(keys), len(keys), corrected=n_corrected, failed=n_failed)


def about_to_change() -> set[str]:
    """The holders for which a full refresh is queued or under way, with all that depend on them; every one while golden
    records are folded again.
    """
    graph = Graph.load()
    if Run.objects.unfinished().filter(kind=REFOLD).exists():
        return set(graph.holders)
    subjects = set(Run.objects.unfinished().filter(kind=REFRESH).values_list("subject", flat=True))
    return set(graph.downstream(subjects & graph.holders.keys()))
