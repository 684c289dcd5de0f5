"""What the database's planner knows of the tables that an import fills."""

from __future__ import annotations

from django.db import connection
from psycopg import sql

FILLED = ("profiles_profile", "profiles_identifier", "profiles_contribution", "profiles_event", "profiles_consent")


def take_first_statistics() -> None:
    """Of those tables of which none were ever taken; the others are kept up by the database itself.

    It comes for them within a minute or two. Until then, beside 16,000 people of a first import, a page took two
    minutes, since an index of all identifiers seemed small enough to be read for each person (2026-11).
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE oid = ANY(%s::text[]::regclass[]) AND reltuples < 0", [list(FILLED)]
        )
        never = [name for (name,) in cursor.fetchall()]
        if never:
            tables = sql.SQL(", ").join(map(sql.Identifier, never))
            cursor.execute(sql.SQL("ANALYZE (SKIP_LOCKED) {}").format(tables))
