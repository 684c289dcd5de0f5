"""Unifying messages: from the inbox to profiles, identifiers, contributions and events, by one worker and by two."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

from django.db import connection
from django.utils import timezone

from benchmarks.figure import Figure, Memory, Sizes, benchmark, stopwatch
from benchmarks.people import make_people, visits
from benchmarks.workers import Worked, work_off
from profiles.ingest.accept import accept_messages
from profiles.models import Event, Source

FLOOR = "a bare COPY of the same events into the same table"
TRIES = 2  # of which the best counts, of ours as of the floor: other programs disturb
REQUEST = 1_000
LONG = 4  # times as many messages as other benchmarks: one of two workers waits at first
COLUMNS = "occurred_at, definition_id, profile_id, anchor_id, source_id, value, properties"


@benchmark("unify")
def unify(sizes: Sizes) -> Iterator[Figure | Memory]:
    """By one worker, then by two, which wait for each other where only one may go on."""
    source = Source.objects.create(key="bench", name="Bench")
    seeds = count(1)
    n = LONG * sizes.messages
    make_people(1, sizes.profiles, source=source, now=timezone.now())
    last_event = latest_event()
    one, worked = best(source, n, n_people=sizes.profiles, n_workers=1, seeds=islice(seeds, TRIES))
    floor = copy_again(last_event, n)
    last_event = latest_event()
    two, _worked = best(source, n, n_people=sizes.profiles, n_workers=2, seeds=islice(seeds, TRIES))
    floor_of_two = copy_again(last_event, n)

    yield Figure("unify", n, "messages", one, FLOOR, floor)
    yield Figure("unify_by_two", n, "messages", two, FLOOR, floor_of_two)
    peak = max(worked, key=lambda each: each.peak_mb)
    yield Memory("unify_memory", peak.n_messages, "messages", peak.peak_mb, "a worker without work", peak.idle_mb)


def best(
    source: Source, n_messages: int, *, n_people: int, n_workers: int, seeds: Iterator[int]
) -> tuple[float, list[Worked]]:
    """The least seconds of one try a seed, each with other messages, and what the workers did in it."""
    tries = []
    for seed in seeds:
        fill_inbox(source, n_messages, n_people=n_people, seed=seed)
        checkpoint()
        tries.append(work_off(n_workers))
        assert sum(each.n_messages for each in tries[-1][1]) == n_messages
    return min(tries, key=lambda tried: tried[0])


def fill_inbox(source: Source, n_messages: int, *, n_people: int, seed: int) -> None:
    now = timezone.now()
    messages = visits(n_messages, n_people=n_people, now=now, seed=seed)
    while request := list(islice(messages, REQUEST)):
        accept_messages(source, request, received_at=now)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE profiles_inboxmessage")


def checkpoint() -> None:
    """Ours and the floor begin alike: behind a checkpoint each page is written to the log as a whole once, which may be
    most of what is written at all.
    """
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")


def latest_event() -> int:
    return Event.objects.order_by("-pk").values_list("pk", flat=True)[0]


def copy_again(after: int, n_events: int) -> float:
    """COPY so many of the events that came `after` an id out as text, and in once more: the least seconds of TRIES."""
    with connection.cursor() as cursor:
        select = f"SELECT {COLUMNS} FROM profiles_event WHERE id > %s ORDER BY id LIMIT %s"
        with cursor.copy(f"COPY ({select}) TO STDOUT", [after, n_events]) as rows:
            events = b"".join(bytes(block) for block in rows)
        seconds = []
        for _try in range(TRIES):
            checkpoint()
            with stopwatch() as watch, cursor.copy(f"COPY profiles_event ({COLUMNS}) FROM STDIN") as rows:
                rows.write(events)
            seconds.append(watch.seconds)
        return min(seconds)
