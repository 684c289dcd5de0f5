"""Session settings for one transaction. The pool hands sessions on as they are, so nothing else may SET."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection
from psycopg.errors import QueryCanceled

HEAVY_WORK_MEM = "256MB"  # full refresh and preview
MOST_OVER = 0.05  # seconds that a statement may go past the end of all: the limit is not told anew for each quick one


def set_local(**values: str) -> None:
    """SET LOCAL each setting, such as `work_mem="256MB"` or `statement_timeout="5s"`, in the open transaction."""
    with connection.cursor() as cursor:
        for name, value in values.items():
            cursor.execute("SELECT set_config(%s, %s, true)", [name, value])


def commit_soon() -> None:
    """Let the open transaction commit without waiting for the disk: for what is done again where it is lost.

    The server brings it there within a second, and before whatever commits after it and waits. A crash of the server
    takes it back whole, and whole with what came after it.
    """
    set_local(synchronous_commit="off")


class TimeLimitExceeded(Exception):
    """A statement was cancelled; its transaction, or savepoint, must be rolled back."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Let no statement of the block take longer; inside an open transaction, whose other statements have no limit.

    Raises TimeLimitExceeded.
    """
    with told_of_cancelling():
        set_local(statement_timeout=f"{seconds * 1000:.0f}ms")
        yield
        set_local(statement_timeout="0")  # under the limit itself


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Let all statements of the block end in so long together, with what is done between them; inside an open
    transaction, whose other statements have no limit.

    Raises TimeLimitExceeded.
    """
    ends_at, told_at = time.monotonic() + seconds, -MOST_OVER

    def within(execute: Callable[..., Any], statement: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        nonlocal told_at
        now = time.monotonic()
        if now >= ends_at:
            raise TimeLimitExceeded
        if now - told_at >= MOST_OVER:
            told_at = now
            limit = f"{max(1, round((ends_at - now) * 1000))}ms"
            # Beside the wrapper, which would be asked about this statement too.
            connection.connection.execute("SELECT set_config('statement_timeout', %s, true)", [limit])
        return execute(statement, params, many, context)

    with told_of_cancelling():
        with connection.execute_wrapper(within):
            yield
        set_local(statement_timeout="0")  # under what is left of the limit


@contextmanager
def told_of_cancelling() -> Iterator[None]:
    """Raises TimeLimitExceeded where a statement of the block is cancelled."""
    try:
        yield
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TimeLimitExceeded from error
        raise
