"""What waits to be worked on: messages in the inbox, changes in the queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from psycopg import sql

MAX_COUNTED = 1_000_000  # a deeper one is deep enough; counting so many takes 0.1 s
LATE_AFTER = timedelta(minutes=5)  # a healthy installation processes a message within seconds


@dataclass(frozen=True)
class Backlog:
    """How many rows wait, at most MAX_COUNTED, and for how long the oldest has; zero where none does."""

    n_rows: int
    age: timedelta

    @property
    def is_late(self) -> bool:
        return self.age > LATE_AFTER

    @property
    def is_capped(self) -> bool:
        return self.n_rows >= MAX_COUNTED


def inbox(*, now: datetime) -> Backlog:
    """Messages that are durable and not processed. The oldest by id came first, but for a message that is replayed."""
    return _backlog("profiles_inboxmessage", "received_at", "true", [], now=now)


def queue(*, now: datetime) -> Backlog:
    """Changes of profiles that are due, and have not reached tags, segments and tiers.

    What an import changes is due since the import began: such a row waits since it was written.
    """
    return _backlog("profiles_profilechange", "greatest(due_at, queued_at)", "due_at <= %s", [now], now=now)


def _backlog(table: str, since: str, where: str, params: list[datetime], *, now: datetime) -> Backlog:
    statement = sql.SQL(
        "WITH waiting AS (SELECT {since} AS since FROM {table} WHERE {where} LIMIT {limit}) "
        "SELECT count(*), min(since) FROM waiting"
    ).format(since=sql.SQL(since), table=sql.Identifier(table), where=sql.SQL(where), limit=sql.Literal(MAX_COUNTED))
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        n_rows, oldest = cursor.fetchone()
    return Backlog(n_rows, max(now - oldest, timedelta(0)) if oldest else timedelta(0))
