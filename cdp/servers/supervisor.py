"""Keep services running: start them, notice when one dies, start it again, and end them in order."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from cdp.servers.child import Child
from cdp.servers.errors import StackError

Say = Callable[[str], None]


def say_to_stderr(text: str) -> None:
    sys.stderr.write(f"strata: {text}\n")
    sys.stderr.flush()


POLL_SECONDS = 0.2
PATIENT_SECONDS = 15.0  # after that long, and again and again, a person is told what a start waits for
FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0
STEADY_SECONDS = 60.0  # after that long without dying, the back-off starts anew
# PostgreSQL refuses to start for some 2 s after a kill -9; what ends after that many starts has another reason.
STARTS_BEFORE_READY = 5


@dataclass(frozen=True)
class Service:
    """Something that runs until it is stopped."""

    name: str
    start: Callable[[], Child]
    log: Path
    stop_seconds: float


@dataclass
class _Watched:
    service: Service
    child: Child
    started: float
    starts: int = 1
    delay: float = FIRST_DELAY
    restart_at: float | None = field(default=None)  # monotonic; None while it runs


class Supervisor:
    """Watches its services from a thread of its own until the block ends, then stops them."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self._watched: dict[str, _Watched] = {}
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()
        running = [watched for watched in self._watched.values() if watched.restart_at is None]
        for watched in running:
            watched.child.ask_to_stop()
        for watched in running:
            watched.child.stop(watched.service.stop_seconds)

    def start(self, service: Service) -> None:
        """Start a service and keep it running."""
        with self._lock:
            self._watched[service.name] = _Watched(service, service.start(), time.monotonic())

    def wait_until(
        self,
        is_ready: Callable[[], bool],
        service: Service,
        *,
        seconds: float,
        is_at_work: Callable[[], bool] = lambda: False,
    ) -> None:
        """Wait until a started service is ready; while it is seen at work on that, the seconds begin anew.

        Raises:
            StackError: not ready after that many seconds, or it ends again and again; with the last line of its log.
        """
        deadline = time.monotonic() + seconds
        next_word = time.monotonic() + PATIENT_SECONDS
        while not is_ready():
            starts = self._watched[service.name].starts
            if is_at_work():
                deadline = time.monotonic() + seconds
            if time.monotonic() > next_word:
                next_word = time.monotonic() + PATIENT_SECONDS
                self.say(f"{service.name} is not ready yet: {last_line(service.log)}")
            if starts >= STARTS_BEFORE_READY or time.monotonic() > deadline:
                raise StackError(
                    f"{service.name} does not get ready: {last_line(service.log)} (more in {service.log})."
                )
            time.sleep(POLL_SECONDS)

    def pid(self, name: str) -> int:
        """The process of a service, as it is now."""
        return self._watched[name].child.pid

    def _watch(self) -> None:
        while not self._is_over.wait(POLL_SECONDS):
            with self._lock:
                for watched in self._watched.values():
                    self._look_after(watched, time.monotonic())

    def _look_after(self, watched: _Watched, now: float) -> None:
        if watched.restart_at is None:
            code = watched.child.exit_code()
            if code is None:
                return
            watched.child.kill_rest()
            if now - watched.started > STEADY_SECONDS:
                watched.delay = FIRST_DELAY
            watched.restart_at = now + watched.delay
            self.say(
                f"{watched.service.name} ended ({reason_of(code)}); it starts again in {watched.delay:.0f} s. "
                f"Its log: {watched.service.log}"
            )
            watched.delay = min(watched.delay * 2, LONGEST_DELAY)
        elif now >= watched.restart_at:
            watched.child = watched.service.start()
            watched.started, watched.restart_at, watched.starts = now, None, watched.starts + 1


def reason_of(code: int) -> str:
    """An exit code in words: `exit code 1`, `SIGKILL`."""
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def last_line(log: Path) -> str:
    """The last line of a log that says something."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()] if log.exists() else []
    return lines[-1].strip() if lines else "it says nothing"


@contextmanager
def stopping_in_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP interrupt the block like Ctrl-C, so that everything is stopped on the way out."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """From here on nothing interrupts: what follows stops the services, in bounded time."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
