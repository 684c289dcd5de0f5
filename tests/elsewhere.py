"""Something done on another connection, of which a test knows when it waits for a lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connection

PATIENCE = 120  # seconds, for whatever must come
PAUSE = 0.01


class Elsewhere:
    """`act` in a thread with a connection of its own, begun at once."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self._act = act
        self._error: BaseException | None = None
        self._pid: int | None = None
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                (self._pid,) = cursor.fetchone()
            self._act()
        except BaseException as error:
            self._error = error
        finally:
            connection.close()

    def is_held_up(self) -> bool:
        """Whether it waits for a lock at this moment; asked on the connection of whoever calls."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE pid = %s AND NOT granted)", [self._pid])
            return bool(cursor.fetchone()[0])

    def come_as_far_as_it_can(self) -> bool:
        """Return once it waits for a lock, or has ended; whether it waits."""
        until = time.monotonic() + PATIENCE
        while self._thread.is_alive():
            if self._pid is not None and self.is_held_up():
                return True
            assert time.monotonic() < until, "it neither waits nor ends"
            time.sleep(PAUSE)
        return False

    def finish(self) -> None:
        """Wait for its end; raises its error."""
        self._thread.join(timeout=PATIENCE)
        assert not self._thread.is_alive(), "it hangs"
        if self._error is not None:
            raise self._error
