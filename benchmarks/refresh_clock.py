"""Refresh by clock: finding those whose orders ran out of a window, and ticks at which nobody's does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from benchmarks.buyers import N_SEGMENTS, RULE, make_segment
from benchmarks.crowd import crowded
from benchmarks.figure import Figure, Sizes, Stopwatch, benchmark, compared, stopwatch
from profiles.models import ProfileChange
from profiles.refresh.clock import follow_time
from segments.models import Segment

N_TICKS = 5
FEWER = 5  # times
SLABS = {"day": timedelta(days=1), "week": timedelta(days=7)}  # one after the other
SLAB = """
    SELECT DISTINCT profile_id, 'time', 1, %(until)s, 'segment:buyers'
    FROM profiles_event
    WHERE definition_id = %(order)s
      AND occurred_at > %(after)s - interval '365 days' AND occurred_at <= %(until)s - interval '365 days'
"""


@dataclass(frozen=True)
class Slab:
    """Who was found in so much time."""

    n_found: int
    ours: Stopwatch
    by_hand: Stopwatch


@benchmark("refresh_clock")
def clock(sizes: Sizes) -> Iterator[Figure]:
    """A week costs seven times a day; a day beside few people what it costs beside all, by who is found."""
    few = Sizes(sizes.messages, sizes.profiles // FEWER, sizes.events // FEWER)
    with crowded(few) as crowd:
        make_segment()
        beside_few = slabs(crowd.params(timezone.now()))
    with crowded(sizes) as crowd:
        make_segment()
        params = crowd.params(timezone.now())
        beside_all = slabs(params)
        idle_figure = idle(params)
    floor = "the profiles of the slab by hand, INSERTed into the queue"
    for name, slab in beside_all.items():
        unit = f"profiles in a slab of a {name}"
        yield compared(f"refresh_clock_{name}", slab.n_found, unit, slab.ours, floor, slab.by_hand)
    day, week, few_week = beside_all["day"], beside_all["week"], beside_few["week"]
    yield proportional("refresh_clock_longer", week, day, "as many profiles at the cost of those of a day")
    yield proportional("refresh_clock_growth", week, few_week, f"as many at the cost beside {few.profiles} profiles")
    yield idle_figure


def proportional(name: str, slab: Slab, other: Slab, floor: str) -> Figure:
    """A slab beside another, by who is found."""
    each = other.ours.seconds / other.n_found
    return Figure(name, slab.n_found, "profiles in a slab", slab.ours.seconds, floor, each * slab.n_found)


def slabs(params: dict[str, Any]) -> dict[str, Slab]:
    """In the order of time: a day, then the week after it."""
    after: datetime = params["now"]
    follow_time(now=after)
    found = {}
    for name, length in SLABS.items():
        params |= {"after": after, "until": after + length}
        with stopwatch() as by_hand, transaction.atomic():
            find(params)
            transaction.set_rollback(True)
        with stopwatch() as ours:
            n_found = follow_time(now=after + length)
        found[name] = Slab(n_found, ours, by_hand)
        after += length
    return found


def find(params: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO profiles_profilechange (profile_id, topic, lane, due_at, holder) {SLAB}", params)


def idle(params: dict[str, Any]) -> Figure:
    """Ticks of a hundred segments with windows, over minutes in which nobody's order runs out."""
    Segment.objects.bulk_create(
        Segment(key=f"segment-{number}", name=f"Segment {number}", rule=RULE) for number in range(N_SEGMENTS - 1)
    )
    at = params["until"] + timedelta(days=400)  # when nobody has ordered for longer than a window
    follow_time(now=at)
    ProfileChange.objects.all().delete()
    with stopwatch() as by_hand:
        for _number in range(N_TICKS * N_SEGMENTS):
            find({**params, "after": at, "until": at + timedelta(minutes=1)})
    with stopwatch() as ours:
        for number in range(N_TICKS):
            follow_time(now=at + timedelta(minutes=1 + number))
    floor = "the same look-ups by hand, which find nobody"
    return compared("refresh_clock_idle", N_TICKS * N_SEGMENTS, "rules", ours, floor, by_hand)
