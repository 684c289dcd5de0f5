"""Doorways of the tags app for the workers."""

from __future__ import annotations

from datetime import datetime

from cdp.models import Run
from cdp.runs import run_kind
from tags.services.score import SCORE, compute_scores


@run_kind(SCORE)
def score(run: Run, now: datetime) -> None:
    """Compute the scores of the model that the run's subject names."""
    compute_scores(run.subject, now=now, run=run)
