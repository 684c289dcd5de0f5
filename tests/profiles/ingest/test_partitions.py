"""Partitions are there before their events."""

from datetime import UTC, datetime

import pytest
from django.db import connection

from profiles.ingest.partitions import FIRST_YEAR, ensure_partitions
from profiles.tasks import ensure_partitions as ensure_partitions_task
from tests.factories.profiles import EventFactory

pytestmark = pytest.mark.django_db


def partition_of(event):
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM profiles_event WHERE id = %s", [event.pk])
        return cursor.fetchone()[0]


def test_missing_years_are_made_once():
    assert ensure_partitions(2039, 2041) == [2039, 2040, 2041]
    assert ensure_partitions(2039, 2042) == [2042]

    assert partition_of(EventFactory(occurred_at=datetime(2040, 1, 1, tzinfo=UTC))) == "profiles_event_2040"
    assert partition_of(EventFactory(occurred_at=datetime(2040, 12, 31, 23, 59, tzinfo=UTC))) == "profiles_event_2040"


def test_a_new_partition_has_the_indexes_of_the_others():
    ensure_partitions(2040, 2040)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT split_part(indexdef, 'btree ', 2) FROM pg_indexes WHERE tablename = 'profiles_event_2040'"
        )
        assert {columns for (columns,) in cursor.fetchall()} == {
            "(id, occurred_at)",
            "(profile_id, definition_id, occurred_at)",
            "(definition_id, occurred_at, profile_id) INCLUDE (value)",
            "(import_id) WHERE (import_id IS NOT NULL)",
        }


def test_years_before_the_first_need_none():
    assert ensure_partitions(1970, FIRST_YEAR) == []


def test_the_task_looks_more_than_a_year_ahead(time_machine):
    time_machine.move_to(datetime(2034, 12, 1, tzinfo=UTC))

    ensure_partitions_task()

    assert partition_of(EventFactory(occurred_at=datetime(2036, 1, 1, tzinfo=UTC))) == "profiles_event_2036"
