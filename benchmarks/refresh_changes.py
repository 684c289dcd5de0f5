"""Refreshing a segment by change, for the 1 % of the profiles that ordered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from benchmarks.crowd import WANTED, make_crowd
from benchmarks.figure import Figure, Sizes, benchmark, stopwatch
from cdp.rules.causes import Cause
from cdp.rules.holders import holder_of
from profiles.refresh.changes import refresh_changes
from profiles.refresh.full import refresh_in_full


@benchmark("refresh_changes")
def changes(sizes: Sizes) -> Iterator[Figure]:
    now = timezone.now()
    segment, params = make_crowd(sizes.profiles, now=now)
    params |= {"segment": segment.pk}
    refresh_in_full(holder_of(f"segment:{segment.key}"), now=now, cause=Cause.RULE)
    n_changed = order_again(params)
    with stopwatch() as by_hand, transaction.atomic():
        follow(params)
        transaction.set_rollback(True)
    with stopwatch() as ours:
        while refresh_changes(now=now):
            pass
    floor = "DELETE and INSERT of members and feed by hand for the changed, in one transaction"
    yield Figure("refresh_changes", n_changed, "changed profiles", ours.seconds, floor, by_hand.seconds)


def order_again(params: dict[str, Any]) -> int:
    """Every hundredth orders once more, and the queue hears of it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_event (occurred_at, definition_id, profile_id, anchor_id, source_id, value, properties)
            SELECT %(now)s, %(order)s, id, id, 1, 100, '{}' FROM profiles_profile WHERE id %% 100 = 0
            """,
            params,
        )
        cursor.execute(
            """
            INSERT INTO profiles_profilechange (profile_id, topic, lane, due_at, holder)
            SELECT id, 'event:Order Completed', 0, %(now)s, '' FROM profiles_profile WHERE id %% 100 = 0
            """,
            params,
        )
        n_changed: int = cursor.rowcount
        return n_changed


def follow(params: dict[str, Any]) -> None:
    """Bring the changed profiles' members and feed up to date, and empty the queue."""
    changed = "SELECT profile_id FROM profiles_profilechange"
    among_changed = WANTED.replace("WHERE definition_id", f"WHERE profile_id IN ({changed}) AND definition_id")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH wanted AS MATERIALIZED ({among_changed} AND profile.id IN ({changed})
            ), gone AS (
                DELETE FROM segments_membership
                WHERE segment_id = %(segment)s AND profile_id IN ({changed})
                  AND profile_id NOT IN (SELECT id FROM wanted)
                RETURNING profile_id
            ), come AS (
                INSERT INTO segments_membership (segment_id, profile_id, entered_at)
                SELECT %(segment)s, id, %(now)s FROM wanted
                ON CONFLICT (segment_id, profile_id) DO NOTHING
                RETURNING profile_id
            )
            INSERT INTO segments_membershipchange (segment_id, profile_id, change, cause, at)
            SELECT %(segment)s, profile_id, 'left', 'data', %(now)s FROM gone
            UNION ALL
            SELECT %(segment)s, profile_id, 'entered', 'data', %(now)s FROM come
            """,
            params,
        )
        cursor.execute("DELETE FROM profiles_profilechange")
