"""Refreshing a hundred segments by change, with windows inside a year and without, beside few people and many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from benchmarks.buyers import N_SEGMENTS, rule_of, wanted_of
from benchmarks.crowd import ORDER, Crowd, crowded
from benchmarks.figure import Figure, Memory, Sizes, Stopwatch, benchmark, compared, stopwatch
from benchmarks.workers import peak_mb
from cdp.local_settings import set_local
from profiles.refresh.changes import BATCH, refresh_changes
from segments.models import Segment

FLOOR = "DELETE and INSERT of members and feed by hand for as many others who changed, a transaction a batch"
FEWER = 5  # times
N_CHANGED, ROUNDS = 1_000, 2  # of which the best counts, of ours as of the floor: other programs disturb
MEMBER_SHARE = 20  # every so manieth is in a segment


@dataclass(frozen=True)
class Measured:
    """The best of all rounds, for `n` changed profiles each; `moving`: of whom a third moves, of each segment."""

    n: int
    ours: Stopwatch
    by_hand: Stopwatch
    moving: Stopwatch
    moving_by_hand: Stopwatch


@benchmark("refresh_changes")
def changes(sizes: Sizes) -> Iterator[Figure | Memory]:
    few = Sizes(sizes.messages, sizes.profiles // FEWER, sizes.events // FEWER)
    before = peak_mb()
    for name, has_window in (("windowed", True), ("ever", False)):
        beside_few = measured(few, has_window=has_window)
        beside_all = measured(sizes, has_window=has_window)
        n, unit = beside_all.n * N_SEGMENTS, "changed profiles times rules"
        yield compared(f"refresh_changes_{name}", n, unit, beside_all.ours, FLOOR, beside_all.by_hand)
        name_of_moving = f"refresh_changes_{name}_moving"
        yield compared(name_of_moving, n, unit, beside_all.moving, FLOOR, beside_all.moving_by_hand)
        floor = f"the same beside {few.profiles} profiles"
        yield compared(f"refresh_changes_{name}_growth", n, unit, beside_all.ours, floor, beside_few.ours)
    yield Memory("refresh_changes_memory", n, unit, peak_mb(), "before the first", before)


def measured(sizes: Sizes, *, has_window: bool) -> Measured:
    with crowded(sizes) as crowd:
        segment_ids = make_segments(has_window=has_window)
        groups = list(groups_of(crowd))
        for group in groups:
            enqueue(group)
        drain()  # who will change is where the rules say
        watches: dict[tuple[bool, bool], list[Stopwatch]] = defaultdict(list)
        for is_moving in (False, True):
            for mine, others in zip(groups[::2], groups[1::2], strict=True):
                if is_moving:
                    order_again(mine + others, crowd)
                with stopwatch() as watch:
                    for first in range(0, len(others), BATCH):
                        follow(others[first : first + BATCH], segment_ids, crowd, has_window=has_window)
                watches[is_moving, False].append(watch)
                enqueue(mine)
                with stopwatch() as watch:
                    drain()
                watches[is_moving, True].append(watch)
        best = {key: min(found, key=lambda watch: watch.seconds) for key, found in watches.items()}
        return Measured(len(groups[0]), best[False, True], best[False, False], best[True, True], best[True, False])


def make_segments(*, has_window: bool) -> list[int]:
    """A hundred, each with a twentieth of all; their ids."""
    made = Segment.objects.bulk_create(
        Segment(key=f"segment-{number}", name=f"Segment {number}", rule=rule_of(number, has_window=has_window))
        for number in range(N_SEGMENTS)
    )
    ids = [segment.pk for segment in made]
    with transaction.atomic(), connection.cursor() as cursor:
        set_local(session_replication_role="replica")
        cursor.execute(
            """
            INSERT INTO segments_membership (segment_id, profile_id, entered_at)
            SELECT segment_id, id, now() FROM unnest(%s::bigint[]) AS segment_id, profiles_profile
            WHERE (id + segment_id) %% %s = 0
            ORDER BY segment_id, id
            """,
            [ids, MEMBER_SHARE],
        )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE segments_membership")
    return ids


def groups_of(crowd: Crowd) -> Iterator[list[int]]:
    """People from all over the table, each in one group; by an odd step, since every eighth is of one city."""
    step = crowd.n_profiles // min(N_CHANGED, crowd.n_profiles // (2 * ROUNDS + 1))
    step -= 1 - step % 2
    for first in range(1, 2 * ROUNDS + 1):
        yield list(range(first, crowd.n_profiles + 1, step))[:N_CHANGED]


def order_again(profile_ids: list[int], crowd: Crowd) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_event (occurred_at, definition_id, profile_id, anchor_id, source_id, value, properties)
            SELECT %s, %s, id, 2 * id, 1, 100, '{}' FROM unnest(%s::bigint[]) AS id
            """,
            [timezone.now(), crowd.definitions[ORDER], profile_ids],
        )


def enqueue(profile_ids: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_profilechange (profile_id, topic, lane, due_at, holder)
            SELECT id, %s, 0, %s, '' FROM unnest(%s::bigint[]) AS id
            """,
            [f"event:{ORDER}", timezone.now(), profile_ids],
        )


def drain() -> None:
    """As a worker does."""
    while refresh_changes(now=timezone.now):
        pass


@transaction.atomic
def follow(changed: list[int], segment_ids: list[int], crowd: Crowd, *, has_window: bool) -> None:
    """Bring the changed profiles' members of all segments up to date, with the feed."""
    params: dict[str, Any] = crowd.params(timezone.now()) | {"changed": changed}
    with connection.cursor() as cursor:
        for number, segment in enumerate(segment_ids):
            cursor.execute(follow_sql(wanted_of(number, has_window=has_window)), params | {"segment": segment})


def follow_sql(wanted: str) -> str:
    """One segment's members and feed, in one statement."""
    return f"""
        WITH wanted AS MATERIALIZED ({wanted}), gone AS (
            DELETE FROM segments_membership
            WHERE segment_id = %(segment)s AND profile_id = ANY(%(changed)s)
              AND NOT EXISTS (SELECT 1 FROM wanted WHERE wanted.profile_id = segments_membership.profile_id)
            RETURNING profile_id
        ), come AS (
            INSERT INTO segments_membership (segment_id, profile_id, entered_at)
            SELECT %(segment)s, profile_id, %(now)s FROM wanted
            ON CONFLICT (segment_id, profile_id) DO NOTHING
            RETURNING profile_id
        )
        INSERT INTO segments_membershipchange (segment_id, profile_id, change, cause, at)
        SELECT %(segment)s, profile_id, 'left', 'data', %(now)s FROM gone
        UNION ALL
        SELECT %(segment)s, profile_id, 'entered', 'data', %(now)s FROM come
    """
