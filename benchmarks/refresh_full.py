"""Refreshing a segment in full: filling it, bringing a hundredth up to date, and finding nothing to correct."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from benchmarks.buyers import BUYERS, WANTED, make_segment
from benchmarks.crowd import crowded
from benchmarks.figure import Figure, Memory, Sizes, Stopwatch, benchmark, compared, stopwatch
from benchmarks.workers import peak_mb
from cdp.local_settings import HEAVY_WORK_MEM, set_local
from cdp.rules.causes import Cause
from cdp.rules.holders import holder_of
from profiles.refresh.full import refresh_in_full

FLOOR = "the SELECT by hand, and COPY of the rows that differ into members and feed with their indexes"
TRIES = 3  # of which the best counts, of ours as of the floor: other programs disturb


@benchmark("refresh_full")
def refresh_full(sizes: Sizes) -> Iterator[Figure | Memory]:
    now = timezone.now()
    with crowded(sizes) as crowd:
        segment = make_segment()
        holder = holder_of(f"segment:{segment.key}")
        params = crowd.params(now) | {"segment": segment.pk}
        before = peak_mb()

        def ours() -> None:
            refresh_in_full(holder, now=now, cause=Cause.RULE)

        def by_hand() -> None:
            refresh_by_hand(params)

        for name, prepare in (("fill", empty), ("hundredth", unsettle), ("unchanged", settle)):
            watches = [best(do, prepare) for do in (by_hand, ours)]
            yield compared(f"refresh_full_{name}", crowd.n_profiles, "profiles", watches[1], FLOOR, watches[0])
        yield Memory("refresh_full_memory", crowd.n_profiles, "profiles", peak_mb(), "before the first", before)


def best(do: Callable[[], None], prepare: Callable[[], None]) -> Stopwatch:
    """The quickest of TRIES, each prepared anew."""
    watches = []
    for _try in range(TRIES):
        prepare()
        with stopwatch() as watch:
            do()
        watches.append(watch)
    return min(watches, key=lambda watch: watch.seconds)


def refresh_by_hand(params: dict[str, Any]) -> None:
    """Everything as text, put together at once: no code of ours a row."""
    held = "SELECT profile_id AS id FROM segments_membership WHERE segment_id = %(segment)s"
    with transaction.atomic(), connection.cursor() as cursor:
        set_local(work_mem=HEAVY_WORK_MEM)
        cursor.execute(
            f"""
            SELECT wanted.id, held.id FROM ({WANTED}) AS wanted FULL JOIN ({held}) AS held USING (id)
            WHERE wanted.id IS NULL OR held.id IS NULL
            """,
            params,
        )
        moved = cursor.fetchall()
        come, gone = [new for new, _old in moved if new], [old for _new, old in moved if old]
        now, segment = params["now"].isoformat(), params["segment"]
        if gone:
            cursor.execute(
                "DELETE FROM segments_membership WHERE segment_id = %s AND profile_id = ANY(%s)", [segment, gone]
            )
        with cursor.copy("COPY segments_membership (segment_id, profile_id, entered_at) FROM STDIN") as copy:
            copy.write("".join([f"{segment}\t{pk}\t{now}\n" for pk in come]))
        with cursor.copy(
            "COPY segments_membershipchange (segment_id, profile_id, change, cause, at) FROM STDIN"
        ) as copy:
            copy.write("".join([f"{segment}\t{pk}\tentered\trule\t{now}\n" for pk in come]))
            copy.write("".join([f"{segment}\t{pk}\tleft\trule\t{now}\n" for pk in gone]))


def empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE segments_membership, segments_membershipchange")


def unsettle() -> None:
    """A hundredth of the members is missing, and as many are in who should not be."""
    settle()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM segments_membership
            WHERE profile_id IN (
                SELECT profile_id FROM segments_membership
                ORDER BY md5(profile_id::text) LIMIT (SELECT 1 + count(*) / 100 FROM segments_membership)
            )
            RETURNING segment_id
            """
        )
        (segment,), n_gone = cursor.fetchone(), cursor.rowcount
        cursor.execute(
            """
            INSERT INTO segments_membership (segment_id, profile_id, entered_at)
            SELECT %s, id, now() FROM profiles_profile
            WHERE attributes ->> 'city' = 'Lima' ORDER BY id LIMIT %s
            """,
            [segment, n_gone],
        )


def settle() -> None:
    """Nothing is to be done, and no dead rows lie about."""
    empty()
    refresh_in_full(holder_of(f"segment:{BUYERS}"), now=timezone.now(), cause=Cause.RULE)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE segments_membership, segments_membershipchange")
