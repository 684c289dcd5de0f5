"""Session settings for one transaction. The pool hands sessions on as they are, so nothing else may SET."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection
from psycopg.errors import QueryCanceled

HEAVY_WORK_MEM = "256MB"  # full refresh and preview


def set_local(**values: str) -> None:
    """SET LOCAL each setting, such as `work_mem="256MB"` or `statement_timeout="5s"`, in the open transaction."""
    with connection.cursor() as cursor:
        for name, value in values.items():
            cursor.execute("SELECT set_config(%s, %s, true)", [name, value])


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
    set_local(statement_timeout="0")


@contextmanager
def told_of_cancelling() -> Iterator[None]:
    """Raises TimeLimitExceeded where a statement of the block is cancelled."""
    try:
        yield
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TimeLimitExceeded from error
        raise
