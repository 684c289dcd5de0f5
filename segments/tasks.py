"""Doorways of the segments app for the workers."""

from __future__ import annotations

from datetime import datetime

from celery import shared_task
from django.utils import timezone

from cdp.models import Run
from cdp.runs import run_kind
from segments.services.fill import FILL, fill_segment
from segments.services.joining import JOIN, UNDO, put_in, take_back
from segments.services.sizes import watch_sizes as watch_sizes_of


@run_kind(FILL)
def fill(run: Run, now: datetime) -> None:
    """Fill the snapshot, or the copy of a segment by hand, that the run's subject names."""
    fill_segment(run.subject.partition(":")[2], source=run.params.get("from"), now=timezone.now, run=run)


@run_kind(JOIN)
def join_people(run: Run, now: datetime) -> None:
    """Put many people into a segment by hand."""
    put_in(run, now=timezone.now)


@run_kind(UNDO)
def unjoin_people(run: Run, now: datetime) -> None:
    """Take out again whom a run had put into a segment by hand."""
    take_back(run, now=timezone.now)


@shared_task(name="segments.watch_sizes", acks_late=True)
def watch_sizes() -> None:
    """Count the sizes of segments by day, and say where they change too much."""
    watch_sizes_of(now=timezone.now())
