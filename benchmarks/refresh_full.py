"""Refreshing a segment in full: filling it, and finding nothing to correct."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from benchmarks.crowd import WANTED, make_crowd
from benchmarks.figure import Figure, Sizes, benchmark, stopwatch
from cdp.local_settings import HEAVY_WORK_MEM, set_local
from cdp.rules.causes import Cause
from cdp.rules.holders import holder_of
from profiles.refresh.full import refresh_in_full


@benchmark("refresh_full")
def refresh_full(sizes: Sizes) -> Iterator[Figure]:
    now = timezone.now()
    segment, params = make_crowd(sizes.profiles, now=now)
    params |= {"segment": segment.pk}
    holder = holder_of(f"segment:{segment.key}")
    look(params)  # warms the cache for both
    with stopwatch() as by_hand:
        fill(params)
    empty()
    with stopwatch() as ours:
        refresh_in_full(holder, now=now, cause=Cause.RULE)
    floor = "INSERT … SELECT of members and feed by hand, in one transaction"
    yield Figure("refresh_full_fill", sizes.profiles, "profiles", ours.seconds, floor, by_hand.seconds)

    with stopwatch() as by_hand:
        look(params)
    with stopwatch() as ours:
        assert refresh_in_full(holder, now=now, cause=Cause.RULE) == 0
    floor = "the difference by hand, EXCEPT both ways"
    yield Figure("refresh_full_unchanged", sizes.profiles, "profiles", ours.seconds, floor, by_hand.seconds)


def fill(params: dict[str, Any]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        set_local(work_mem=HEAVY_WORK_MEM)
        cursor.execute(
            f"INSERT INTO segments_membership (segment_id, profile_id, entered_at) "
            f"SELECT %(segment)s, id, %(now)s FROM ({WANTED}) AS wanted",
            params,
        )
        cursor.execute(
            "INSERT INTO segments_membershipchange (segment_id, profile_id, change, cause, at) "
            "SELECT segment_id, profile_id, 'entered', 'rule', entered_at FROM segments_membership "
            "WHERE segment_id = %(segment)s",
            params,
        )


def look(params: dict[str, Any]) -> None:
    held = "SELECT profile_id FROM segments_membership WHERE segment_id = %(segment)s"
    with transaction.atomic(), connection.cursor() as cursor:
        set_local(work_mem=HEAVY_WORK_MEM)
        cursor.execute(f"({WANTED} EXCEPT {held}) UNION ALL ({held} EXCEPT {WANTED})", params)
        cursor.fetchall()


def empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE segments_membership, segments_membershipchange")
