"""Notes about the rows of a file that has more of them than fit into memory: a temporary file on disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager

CACHE_KB = 32_768


class Notes:
    """Texts and numbers by key, gone with the process that wrote them. One thread's."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def count(self, key: bytes) -> int:
        """Note that `key` has come once more; returns how often it has."""
        row = self._connection.execute(
            "INSERT INTO counted VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1 RETURNING n", [key]
        ).fetchone()
        n: int = row[0]
        return n

    def read(self, keys: Iterable[bytes]) -> dict[bytes, str]:
        """What was noted under these keys; those without a note are left out."""
        found = {}
        for key in keys:
            if row := self._connection.execute("SELECT text FROM noted WHERE key = ?", [key]).fetchone():
                found[key] = row[0]
        return found

    def write(self, texts: Mapping[bytes, str]) -> None:
        """Note, in place of what was there."""
        self._connection.executemany("INSERT OR REPLACE INTO noted VALUES (?, ?)", texts.items())


@contextmanager
def open_notes() -> Iterator[Notes]:
    """An empty place for notes: an unnamed file, which no crash leaves behind."""
    with closing(sqlite3.connect("", isolation_level=None)) as connection:
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            f"PRAGMA cache_size = -{CACHE_KB}",
            "CREATE TABLE counted (key BLOB PRIMARY KEY, n INTEGER) WITHOUT ROWID",
            "CREATE TABLE noted (key BLOB PRIMARY KEY, text TEXT) WITHOUT ROWID",
            "BEGIN",  # for good: committed one by one, each note would write out all that the cache holds by then
        ):
            connection.execute(statement)
        yield Notes(connection)
