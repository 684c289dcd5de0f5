"""Figures of collecting and refreshing, for Prometheus."""

from __future__ import annotations

from django.db.models import Sum
from django.utils import timezone

from cdp.metrics import Figure, Samples, register_figure
from cdp.models import Run
from profiles.models import HolderClock, RejectedMessage, SourceDay
from profiles.refresh.queue import CHECK
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


def corrections() -> Samples:
    """By holder."""
    return {(key,): n for key, n in HolderClock.objects.values_list("holder", "n_corrected")}


def orphans() -> Samples:
    """As the last nightly check has counted them."""
    counts = Run.objects.filter(kind=CHECK, counts__has_key="orphans").order_by("-id").values_list("counts", flat=True)
    last = counts.first()
    return {(): last["orphans"]} if last else {}


def age_of_clocks() -> Samples:
    """Of the one that is farthest behind; a holder whose rules fail stays behind."""
    oldest = HolderClock.objects.order_by("clocked_at").values_list("clocked_at", flat=True).first()
    return {(): max((timezone.now() - oldest).total_seconds(), 0) if oldest else 0}


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
    Figure(
        "strata_refresh_corrections",
        "People whom the nightly check found to be in or out against the rule.",
        corrections,
        labels=("holder",),
        is_counter=True,
    ),
    Figure("strata_orphans", "Rows that point at nobody, in the last nightly check.", orphans),
    Figure("strata_clock_age_seconds", "How far the clock of refreshes is behind, at most.", age_of_clocks),
    Figure("strata_rejected_messages", "Rejected messages that wait for somebody.", rejected_now),
):
    register_figure(_figure)
