"""The yearly partitions of events (UTC), made before they are needed.

Everything before FIRST_YEAR shares one partition; there is no default one, which would have to be searched for every
partition made later.
"""

from __future__ import annotations

from django.db import connection, transaction
from psycopg import sql

from cdp.locks import advisory_lock

FIRST_YEAR = 2020  # as migration 0002 made them


def ensure_partitions(first: int, last: int) -> list[int]:
    """Make the partitions of the years `first` to `last`, both included, that are missing; returns those made."""
    if not missing_partitions(first, last):
        return []
    with transaction.atomic():
        advisory_lock("partitions")
        years = missing_partitions(first, last)
        for year in years:
            attach(year)
    return years


def missing_partitions(first: int, last: int) -> list[int]:
    """Those of the years `first` to `last`, both included, that have none."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT year FROM unnest(%s::int[]) AS year
            WHERE to_regclass('profiles_event_' || year) IS NULL
            ORDER BY year
            """,
            [list(range(max(first, FIRST_YEAR), last + 1))],
        )
        return [year for (year,) in cursor.fetchall()]


def attach(year: int) -> None:
    """CREATE and ATTACH: unlike CREATE … PARTITION OF it does not wait for those who read and write events."""
    name = sql.Identifier(f"profiles_event_{year}")
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE TABLE {} (LIKE profiles_event INCLUDING DEFAULTS)").format(name))
        cursor.execute(
            sql.SQL("ALTER TABLE profiles_event ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                name, sql.Literal(f"{year}-01-01 00:00:00+00"), sql.Literal(f"{year + 1}-01-01 00:00:00+00")
            )
        )
