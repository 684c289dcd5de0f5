"""Doorways of the tags app for the workers."""

from __future__ import annotations

from datetime import datetime

from celery import shared_task
from django.utils import timezone

from cdp.models import Run
from cdp.runs import run_kind
from tags.services.bulk import BULK, UNDO, carry_out, take_back
from tags.services.days import count_days as count_days_of
from tags.services.expiry import end_expired as end_expired_of
from tags.services.expiry import purge_ended as purge_ended_of
from tags.services.score import SCORE, compute_scores
from tags.services.score import queue_due_scores as queue_due_scores_of


@run_kind(SCORE)
def score(run: Run, now: datetime) -> None:
    """Compute the scores of the model that the run's subject names."""
    compute_scores(run.subject, now=now, run=run)


@run_kind(BULK)
def tag_people(run: Run, now: datetime) -> None:
    """Put a tag on many people, or take it off."""
    carry_out(run, now=timezone.now)


@run_kind(UNDO)
def untag_people(run: Run, now: datetime) -> None:
    """Take back what such a run did."""
    take_back(run, now=timezone.now)


@shared_task(name="tags.end_expired")
def end_expired() -> None:
    """Every minute, write into the history whose tags have ended."""
    end_expired_of(now=timezone.now())


@shared_task(name="tags.count_days", acks_late=True)
def count_days() -> None:
    """Every ten minutes, count who got and lost tags into their days."""
    count_days_of()


@shared_task(name="tags.purge_ended")
def purge_ended() -> None:
    """Delete what ended long ago."""
    purge_ended_of(now=timezone.now())


@shared_task(name="tags.queue_due_scores")
def queue_due_scores() -> None:
    """Once a business day, score by every model."""
    queue_due_scores_of(now=timezone.now())
