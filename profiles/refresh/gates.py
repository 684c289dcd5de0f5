"""Who judges when: changes are judged side by side, a full refresh has its holder to itself.

Two kinds of lock. Each holder has a *gate*: a batch of changes passes it shared, a full refresh closes it. And every
batch holds the *floor*, shared: a full refresh, once its gate is closed, waits for the batches under way, which may
have read an older rule or not know the holder yet. Batches that begin later find the gate closed. Batches of messages
hold the floor as well: they enqueue nothing that no rule asked for when they read the rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import connection

from cdp.locks import lock_key, session_lock
from cdp.rules.topics import FLOOR

GATE = "gate"


class Passage:
    """The shared locks of one batch, kept by its session until after the commit."""

    def __init__(self) -> None:
        self._keys: list[int] = []

    def take_floor(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock_shared(%s)", [lock_key(FLOOR)])
        self._keys.append(lock_key(FLOOR))

    def try_gates(self, holder_keys: Sequence[str]) -> set[str]:
        """Pass the gates of those holders that are not being refreshed in full; returns which."""
        keys = [lock_key(GATE, key) for key in holder_keys]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT place, key FROM unnest(%s::bigint[]) WITH ORDINALITY AS gate (key, place) "
                "WHERE pg_try_advisory_lock_shared(key)",
                [keys],
            )
            passed = cursor.fetchall()
        self._keys += [key for _place, key in passed]
        return {holder_keys[place - 1] for place, _key in passed}

    def leave(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_shared(key) FROM unnest(%s::bigint[]) AS key", [self._keys])


@contextmanager
def passage() -> Iterator[Passage]:
    """A batch of changes: open the transaction inside, so that it has committed when the locks are let go."""
    passing = Passage()
    passing.take_floor()
    try:
        yield passing
    finally:
        passing.leave()


@contextmanager
def closed_gate(holder_key: str) -> Iterator[None]:
    """A full refresh: nobody else judges for this holder until the block ends, over any number of transactions."""
    with session_lock(GATE, holder_key, wait=True):
        with session_lock(FLOOR, wait=True):
            pass  # the batches that were under way have committed
        yield
