"""Doorways of the profiles app for the workers."""

from __future__ import annotations

import time
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from cdp.stages import wake
from profiles.ingest.partitions import ensure_partitions as ensure_partitions_of
from profiles.ingest.process import process_batch

PROCESS_SECONDS = 20  # then another task goes on, so that no worker is held for long
PARTITIONS_AHEAD = timedelta(days=400)


@shared_task(name="profiles.process_inbox", acks_late=True)
def process_inbox() -> None:
    """Process batches until the inbox is empty or the time is up. Several may run: they share the messages out."""
    until = time.monotonic() + PROCESS_SECONDS
    while process_batch(now=timezone.now()).n_messages:
        if time.monotonic() > until:
            wake("messages_accepted")
            return


@shared_task(name="profiles.ensure_partitions", acks_late=True)
def ensure_partitions() -> None:
    """Make the partitions of this year and those of the next 400 days."""
    now = timezone.now()
    ensure_partitions_of(now.year, (now + PARTITIONS_AHEAD).year)
