"""Rows into PostgreSQL by COPY: the fastest way in, four times that of `bulk_create`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import orjson
from django.db import connection
from psycopg import sql

NULL = r"\N"
LINES_AT_ONCE = 100


def copy_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """COPY `rows` into `table` inside the open transaction; returns how many. JSON values come as text."""
    n_rows = 0
    with connection.cursor() as cursor, cursor.copy(statement_of(table, columns)) as copy:
        for row in rows:
            copy.write_row(row)
            n_rows += 1
    return n_rows


def copy_lines(table: str, columns: Sequence[str], lines: Iterable[str]) -> None:
    """COPY rows that are written already: one a line, `as_text` between tabs."""
    left = iter(lines)
    with connection.cursor() as cursor, cursor.copy(statement_of(table, columns)) as copy:
        while block := list(islice(left, LINES_AT_ONCE)):
            copy.write("\n".join([*block, ""]))


def statement_of(table: str, columns: Sequence[str]) -> sql.Composed:
    return sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )


def as_text(value: object) -> str:
    """A value as a line of COPY has it; times by `isoformat`, JSON as text."""
    if value is None:
        return NULL
    return str(value).replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")


def json_as_text(value: Any) -> str:
    """A JSON value as a line of COPY has it."""
    return orjson.dumps(value).decode().replace("\\", r"\\")  # there is no other character that would be another
