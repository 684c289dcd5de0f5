"""Doorways of the segments app for the workers."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from cdp.models import Run
from cdp.runs import run_kind
from segments.services.fill import FILL, fill_segment


@run_kind(FILL)
def fill(run: Run, now: datetime) -> None:
    """Fill the snapshot, or the copy of a segment by hand, that the run's subject names."""
    fill_segment(run.subject.partition(":")[2], source=run.params.get("from"), now=timezone.now, run=run)
