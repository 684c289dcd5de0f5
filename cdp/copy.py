"""Rows into PostgreSQL by COPY, the fastest way in, four times that of `bulk_create`; and going on meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import lru_cache
from itertools import islice
from select import POLLIN, poll
from threading import local
from typing import Any, TypeVar

import orjson
from django.db import connection
from psycopg import Copy, sql

NULL = r"\N"
SPECIALS = "\\\t\n\r"
LINES_AT_ONCE = 100
# For how long Python keeps its lock from a thread that asks for it. The helper asks a dozen times a batch, and holds it
# for a moment only; by Python's own 5 ms the server often had nothing to do until then, a tenth of an import's time.
SWITCH_SECONDS, SWITCH_SECONDS_ELSE = 0.0001, sys.getswitchinterval()
T = TypeVar("T")


class Behind(local):
    """What `copying_behind` has of this thread: who waits for the end of a COPY or statement, the one that is waited
    for, how to look whether the server has answered, and what is done `meanwhile`.
    """

    helper: ThreadPoolExecutor | None = None
    ending: Future[Any] | None = None
    answer: poll | None = None
    work: Callable[[], bool] | None = None


_behind = Behind()


def copy_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """COPY `rows` into `table` inside the open transaction; returns how many. JSON values come as text."""
    n_rows = 0
    with copying(table, columns) as copy:
        for row in rows:
            copy.write_row(row)
            n_rows += 1
    return n_rows


def copy_lines(table: str, columns: Sequence[str], lines: Iterable[str]) -> None:
    """COPY rows that are written already: one a line, `as_text` between tabs."""
    left = iter(lines)
    with copying(table, columns) as copy:
        while block := list(islice(left, LINES_AT_ONCE)):
            copy.write("\n".join([*block, ""]))


@contextmanager
def copying_behind() -> Iterator[None]:
    """Let the COPYs within, and what is `begun`, go on while Python does what comes next: their errors come with the
    next statement, or at the end. To be opened inside of a transaction or savepoint, and closed before it.

    The server works through a batch of new people for as long as Python writes it: both at once take two thirds.
    """
    with (
        ThreadPoolExecutor(1, "copying_behind") as helper,
        connection.execute_wrapper(behind_copy),
        switching_soon(),
    ):
        _behind.helper, _behind.answer = helper, poll()
        _behind.answer.register(connection.connection.fileno(), POLLIN)
        try:
            yield
        finally:
            _behind.helper = None
            await_copy()


@contextmanager
def switching_soon() -> Iterator[None]:
    """Let Python's threads change places soon."""
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(SWITCH_SECONDS_ELSE)


@contextmanager
def meanwhile(work: Callable[[], bool]) -> Iterator[None]:
    """While what goes on behind is waited for, call `work`, again and again for as long as it returns True.

    It must neither use the database nor raise, and be short: nobody is told of an answer before it ends.
    """
    _behind.work = work
    try:
        yield
    finally:
        _behind.work = None


def behind_copy(execute: Callable[..., Any], *statement: Any) -> Any:
    """What executes a statement, once what goes on before it has ended."""
    await_copy()
    return execute(*statement)


def begun(statement: str, params: Sequence[Any]) -> Callable[[], list[tuple[Any, ...]]]:
    """Begin a statement that need not be waited for: what is returned waits for its rows, none of a statement that has
    none. Outside of `copying_behind` it ends at once.
    """
    await_copy()
    cursor = connection.cursor()

    def rows() -> list[tuple[Any, ...]]:
        with cursor:
            cursor.execute(statement, params)
            found: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
            return found

    if _behind.helper is None:
        there = rows()
        return lambda: there
    _behind.ending = ending = _behind.helper.submit(rows)
    return lambda: awaited(ending)


def await_copy() -> None:
    """Wait for the end of the COPY or statement that goes on. Raises what it failed with."""
    ending, _behind.ending = _behind.ending, None
    if ending is not None:
        awaited(ending)


def awaited(ending: Future[T]) -> T:
    """Its result. Once the server has answered, nothing more is done meanwhile: the helper needs Python's lock."""
    if _behind.work is not None and _behind.answer is not None:
        while not (ending.done() or _behind.answer.poll(0)) and _behind.work():
            pass
    return ending.result()


@contextmanager
def copying(table: str, columns: Sequence[str]) -> Iterator[Copy]:
    """A COPY that rows can be written to. It ends with the block, or behind it (`copying_behind`)."""
    await_copy()
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with ExitStack() as stack:
        cursor = stack.enter_context(connection.cursor())
        yield stack.enter_context(cursor.copy(statement))
        if _behind.helper is not None:
            _behind.ending = _behind.helper.submit(stack.pop_all().close)


def as_text(value: object) -> str:
    """A value as a line of COPY has it; times by `time_as_text`, JSON as text."""
    if value is None:
        return NULL
    return str(value).replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")


def as_texts(values: Iterable[str]) -> list[str]:
    """Texts, each `as_text`: those of a column, of which mostly none has a character that would be another."""
    texts = list(values)
    whole = "".join(texts)
    return [as_text(text) for text in texts] if any(special in whole for special in SPECIALS) else texts


# What a batch writes of one message has one time, eight times over: 0.1 µs each instead of 1.
time_as_text = lru_cache(maxsize=10_000)(datetime.isoformat)


def times_as_texts(values: Iterable[datetime]) -> list[str]:
    """Times, each `time_as_text`: those of a column, 0.2 µs each where it takes 1 for one that it has not met."""
    times = list(values)
    return orjson.dumps(times).decode()[2:-2].split('","') if times else []


def json_as_text(value: Any) -> str:
    """A JSON value as a line of COPY has it."""
    return orjson.dumps(value).decode().replace("\\", r"\\")  # there is no other character that would be another


def json_as_texts(values: Iterable[Any]) -> list[str]:
    """JSON values, each `json_as_text`: those of a column, of which mostly all are texts that JSON only quotes."""
    found = list(values)
    whole = "".join(found) if set(map(type, found)) == {str} else "\\"
    is_plain = whole.isprintable() and '"' not in whole and "\\" not in whole
    return [f'"{text}"' for text in found] if is_plain else list(map(json_as_text, found))
