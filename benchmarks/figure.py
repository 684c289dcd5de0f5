"""What a benchmark answers, and the registry of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.cpu import cpu_seconds


@dataclass(frozen=True)
class Sizes:
    """How much is measured; `python -m benchmarks --help` names the defaults."""

    messages: int
    profiles: int
    events: int


@dataclass(frozen=True)
class Figure:
    """`seconds` for `n` of `unit`, and the seconds of what no code could do without: the floor.

    `p95_seconds` and `p99_seconds` are what so many of 100 requests took at most, where the figure is made of requests.
    CPU seconds are of all processes on either side, the server's as well; None where they cannot be told.
    """

    name: str
    n: int
    unit: str
    seconds: float
    floor: str
    floor_seconds: float
    p99_seconds: float | None = None
    p95_seconds: float | None = None
    cpu_seconds: float | None = None
    floor_cpu_seconds: float | None = None

    def _cpu_ratio(self) -> dict[str, float]:
        if not self.cpu_seconds or not self.floor_cpu_seconds:
            return {}
        return {"cpu_ratio": round(self.cpu_seconds / self.floor_cpu_seconds, 2)}

    def as_json(self) -> str:
        waited = {"p95_ms": self.p95_seconds, "p99_ms": self.p99_seconds}
        used = {"cpu_seconds": self.cpu_seconds, "floor_cpu_seconds": self.floor_cpu_seconds}
        return json.dumps(
            {
                "figure": self.name,
                "n": self.n,
                "unit": self.unit,
                "seconds": round(self.seconds, 4),
                "per_second": round(self.n / self.seconds),
                "microseconds_each": round(self.seconds / self.n * 1e6, 1),
                "floor": self.floor,
                "floor_seconds": round(self.floor_seconds, 4),
                "ratio": round(self.seconds / self.floor_seconds, 2),
            }
            | {name: round(seconds, 2) for name, seconds in used.items() if seconds is not None}
            | self._cpu_ratio()
            | {name: round(seconds * 1000, 1) for name, seconds in waited.items() if seconds is not None}
        )


@dataclass(frozen=True)
class Memory:
    """The most memory that a process took for `n` of `unit`, and what it takes without any."""

    name: str
    n: int
    unit: str
    peak_mb: float
    floor: str
    floor_mb: float

    def as_json(self) -> str:
        return json.dumps(
            {
                "figure": self.name,
                "n": self.n,
                "unit": self.unit,
                "peak_mb": round(self.peak_mb),
                "floor": self.floor,
                "floor_mb": round(self.floor_mb),
                "ratio": round(self.peak_mb / self.floor_mb, 1),
            }
        )


def compared(name: str, n: int, unit: str, ours: Stopwatch, floor: str, by_hand: Stopwatch) -> Figure:
    """The figure of two stopwatches."""
    return Figure(
        name,
        n,
        unit,
        ours.seconds,
        floor,
        by_hand.seconds,
        cpu_seconds=ours.cpu_seconds,
        floor_cpu_seconds=by_hand.cpu_seconds,
    )


Benchmark = Callable[[Sizes], Iterator[Figure | Memory]]

benchmarks: dict[str, Benchmark] = {}


def benchmark(name: str) -> Callable[[Benchmark], Benchmark]:
    """Register a benchmark; it is run in a database of its own, migrated and empty."""

    def register(run: Benchmark) -> Benchmark:
        benchmarks[name] = run
        return run

    return register


@dataclass
class Stopwatch:
    """Seconds of wall and of CPU, of all processes on either side."""

    seconds: float = 0.0
    cpu_seconds: float | None = None


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """The time that the block takes, once it has ended."""
    watch = Stopwatch()
    used = cpu_seconds()
    started = time.perf_counter()
    yield watch
    watch.seconds = time.perf_counter() - started
    used_since = cpu_seconds()
    watch.cpu_seconds = None if used is None or used_since is None else used_since - used
