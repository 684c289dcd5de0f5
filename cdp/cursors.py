"""One statement whose rows are worked off in many transactions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Timer
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from cdp.local_settings import HEAVY_WORK_MEM, set_local, told_of_cancelling


class HeldRows:
    """The rows of a statement that has been carried out; the server keeps them over the ends of transactions."""

    def __init__(self, cursor: CursorWrapper) -> None:
        self._cursor = cursor
        cursor.execute("MOVE ALL FROM held_rows")
        self.count: int = cursor.rowcount
        cursor.execute("MOVE ABSOLUTE 0 FROM held_rows")

    def chunks(self, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """In the statement's order; the last may be shorter."""
        while rows := self._fetch(size):
            yield rows

    def _fetch(self, size: int) -> list[tuple[Any, ...]]:
        self._cursor.execute("FETCH %s FROM held_rows", [size])
        rows: list[tuple[Any, ...]] = self._cursor.fetchall()
        return rows


@contextmanager
def cancelled_after(seconds: float | None) -> Iterator[None]:
    """Cancel what the session does after so long: `statement_timeout` does not count while a transaction commits.

    Raises TimeLimitExceeded.
    """
    if seconds is None:
        yield
        return
    connection.ensure_connection()
    timer = Timer(seconds, connection.connection.cancel_safe)
    timer.daemon = True
    timer.start()
    try:
        with told_of_cancelling():
            yield
    finally:
        timer.cancel()
        timer.join()


@contextmanager
def held_rows(statement: str, params: Sequence[Any], *, seconds: float | None = None) -> Iterator[HeldRows]:
    """Carry out a heavy SELECT at once; its rows are of that moment, however long the block takes. Not to be nested.

    Raises TimeLimitExceeded where the SELECT takes longer than `seconds`; None is without limit.
    """
    with connection.cursor() as cursor:
        with cancelled_after(seconds), transaction.atomic():  # the SELECT is carried out as this commits
            set_local(work_mem=HEAVY_WORK_MEM, jit="off")
            cursor.execute(f"DECLARE held_rows SCROLL CURSOR WITH HOLD FOR {statement}", params)
        try:
            yield HeldRows(cursor)
        finally:
            cursor.execute("CLOSE held_rows")
