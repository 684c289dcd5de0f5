"""Figures of collecting and refreshing, for Prometheus."""

from __future__ import annotations

from django.db.models import Sum
from django.utils import timezone

from cdp.metrics import Figure, Samples, register_figure
from profiles.models import RejectedMessage, SourceDay
from profiles.services.backlog import inbox, queue

COUNTED = {
    "n_messages": "processed",
    "n_duplicates": "duplicate",
    "n_rejected": "rejected",
}


def messages_by_outcome() -> Samples:
    """Of all days, by source and what became of them."""
    sums = SourceDay.objects.values_list("source__key").annotate(*map(Sum, COUNTED)).order_by()
    return {(key, outcome): n for key, *counts in sums for outcome, n in zip(COUNTED.values(), counts, strict=True)}


def rejected_now() -> Samples:
    return {(): RejectedMessage.objects.count()}


for _figure in (
    Figure("strata_inbox_messages", "Messages not yet processed.", lambda: {(): inbox(now=timezone.now()).n_rows}),
    Figure(
        "strata_inbox_age_seconds",
        "Age of the oldest message not yet processed.",
        lambda: {(): inbox(now=timezone.now()).age.total_seconds()},
    ),
    Figure("strata_change_queue_rows", "Changes not yet judged.", lambda: {(): queue(now=timezone.now()).n_rows}),
    Figure(
        "strata_change_queue_age_seconds",
        "Age of the oldest change not yet judged.",
        lambda: {(): queue(now=timezone.now()).age.total_seconds()},
    ),
    Figure(
        "strata_messages",
        "Messages by source and what became of them.",
        messages_by_outcome,
        labels=("source", "outcome"),
        is_counter=True,
    ),
    Figure("strata_rejected_messages", "Rejected messages that wait for somebody.", rejected_now),
):
    register_figure(_figure)
