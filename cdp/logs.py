"""What stands in the logs, and what does not."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import psycopg
from django.db import Error

from cdp.trouble import first_said

DATABASE_ERRORS = (Error, psycopg.Error)


class Formatter(logging.Formatter):
    """Of an error of the database only what it says first: below stand values of the row, and they are somebody's."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for error in chain(record.exc_info[1] if record.exc_info else None):
            if isinstance(error, DATABASE_ERRORS):
                said, first = str(error), first_said(error)
                text = text.replace(said, first).replace(repr(said)[1:-1], repr(first)[1:-1])
        return text


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it was raised from, and what that was."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
