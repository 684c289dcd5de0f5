"""Reading ahead: a thread makes the next batches while whoever asked for them works on those before."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from itertools import chain, islice, repeat
from queue import Full, Queue
from threading import Event, Thread
from time import sleep
from typing import TypeVar

from django.utils import translation

T = TypeVar("T")
BATCHES_AHEAD = 2
LOOK_SECONDS = 0.2
# Whoever comes back from the database waits until the reading thread gives up Python's lock: by itself only after 5 ms,
# and a batch comes back many times. After so many items, 2 ms of work, it gives it up for a moment.
PAUSE_ITEMS, PAUSE_SECONDS = 100, 0.00002


def read_ahead(open_items: Callable[[], Iterator[T]], size: int) -> Generator[list[T], None, None]:
    """The items in lists of `size`, made by a thread of their own, in the language of the caller. The first list is a
    quarter of it, so that the work on it begins soon.

    What the items raise is raised here. The thread ends when this is closed. Items must not use the database: the
    thread has no connection.
    """
    queue: Queue[list[T] | BaseException | None] = Queue(BATCHES_AHEAD)
    stopped = Event()
    language = translation.get_language()

    def put(batch: list[T] | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                queue.put(batch, timeout=LOOK_SECONDS)
                return
            except Full:
                continue

    def read() -> None:
        try:
            with translation.override(language):
                items, sizes = pausing(open_items()), chain([max(1, size // 4)], repeat(size))
                while not stopped.is_set() and (batch := list(islice(items, next(sizes)))):
                    put(batch)
            put(None)
        except BaseException as error:
            put(error)

    thread = Thread(target=read, name="read_ahead", daemon=True)
    thread.start()
    try:
        while (batch := queue.get()) is not None:
            if isinstance(batch, BaseException):
                raise batch
            yield batch
    finally:
        stopped.set()
        thread.join()


def pausing(items: Iterator[T]) -> Iterator[T]:
    """The items, with a pause after each PAUSE_ITEMS."""
    for n, item in enumerate(items, 1):
        yield item
        if n % PAUSE_ITEMS == 0:
            sleep(PAUSE_SECONDS)
