"""Refresh by clock: finding those whose orders ran out of a window, and ticks at which nobody's does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from benchmarks.crowd import RULE, make_crowd
from benchmarks.figure import Figure, Sizes, benchmark, stopwatch
from profiles.models import ProfileChange
from profiles.refresh.clock import follow_time
from segments.models import Segment

N_SEGMENTS, N_TICKS = 100, 5
SLAB = """
    SELECT DISTINCT profile_id, 'time', 1, %(until)s, 'segment:buyers'
    FROM profiles_event
    WHERE definition_id = %(order)s
      AND occurred_at > %(now)s - interval '365 days' AND occurred_at <= %(until)s - interval '365 days'
"""


@benchmark("refresh_clock")
def clock(sizes: Sizes) -> Iterator[Figure]:
    now = timezone.now()
    _segment, params = make_crowd(sizes.profiles, now=now)
    params |= {"until": now + timedelta(days=10)}
    follow_time(now=now)
    with stopwatch() as by_hand, transaction.atomic():
        find(params)
        transaction.set_rollback(True)
    with stopwatch() as ours:
        n_found = follow_time(now=params["until"])
    floor = "the profiles of the slab by hand, INSERTed into the queue"
    yield Figure("refresh_clock", n_found, "profiles in a slab of ten days", ours.seconds, floor, by_hand.seconds)
    yield idle(params)


def find(params: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO profiles_profilechange (profile_id, topic, lane, due_at, holder) {SLAB}", params)


def idle(params: dict[str, Any]) -> Figure:
    """Ticks of a hundred segments with windows, over minutes in which nobody's order runs out."""
    Segment.objects.bulk_create(
        Segment(key=f"segment-{number}", name=f"Segment {number}", rule=RULE) for number in range(N_SEGMENTS - 1)
    )
    at = params["until"] + timedelta(hours=1)
    follow_time(now=at)
    ProfileChange.objects.all().delete()
    with stopwatch() as by_hand:
        for _number in range(N_TICKS * N_SEGMENTS):
            find({**params, "now": at, "until": at + timedelta(minutes=1)})
    with stopwatch() as ours:
        for number in range(N_TICKS):
            follow_time(now=at + timedelta(minutes=1 + number))
    floor = "the same look-ups by hand, which find nobody"
    return Figure("refresh_clock_idle", N_TICKS * N_SEGMENTS, "rules", ours.seconds, floor, by_hand.seconds)
