"""Reading ahead: the next batch is made while the database works on the one before."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")
PIECE = 10  # items, a fifth of a millisecond: so long an answer of the database may wait


class ReadAhead(Generic[T]):
    """The items in lists of `size`. The first is a quarter of it, so that the work on it begins soon.

    What the items raise is raised for the list that they belong to. They must not use the database, which is at work
    while they are read.

    By a thread of its own that reads all the time an import gained nothing: the two passed Python's lock to and fro,
    and each of the many answers of the database was waited for until the other gave it up (2026-11).
    """

    def __init__(self, items: Generator[T, None, None], size: int) -> None:
        self.items = items
        self.size = size
        self.next_size = max(1, size // 4)
        self.ready: list[T] = []
        self.is_whole = False  # nothing comes behind what is ready, but for the error
        self.error: Exception | None = None

    def read_some(self) -> bool:
        """Read a few of the next items; whether that was of use."""
        if self.is_whole or len(self.ready) >= self.size:
            return False
        self.read(PIECE)
        return True

    def read(self, n_items: int) -> None:
        n_before = len(self.ready)
        try:
            self.ready += islice(self.items, n_items)
        except Exception as error:
            self.error = error
        self.is_whole = len(self.ready) < n_before + n_items

    def __iter__(self) -> Iterator[list[T]]:
        return self

    def __next__(self) -> list[T]:
        if not self.is_whole and len(self.ready) < self.next_size:
            self.read(self.next_size - len(self.ready))
        batch, self.ready = self.ready[: self.next_size], self.ready[self.next_size :]
        if self.error is not None and len(batch) < self.next_size:
            raise self.error
        if not batch:
            raise StopIteration
        self.next_size = self.size
        return batch

    def close(self) -> None:
        self.items.close()
