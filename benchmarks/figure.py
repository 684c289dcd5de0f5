"""What a benchmark answers, and the registry of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """How much is measured; `python -m benchmarks --help` names the defaults."""

    messages: int
    profiles: int


@dataclass(frozen=True)
class Figure:
    """`seconds` for `n` of `unit`, and the seconds of what no code could do without: the floor.

    `p99_seconds` is what 99 of 100 requests took at most, where the figure is made of requests.
    """

    name: str
    n: int
    unit: str
    seconds: float
    floor: str
    floor_seconds: float
    p99_seconds: float | None = None

    def as_json(self) -> str:
        waited = {} if self.p99_seconds is None else {"p99_ms": round(self.p99_seconds * 1000, 1)}
        return json.dumps(
            {
                "figure": self.name,
                "n": self.n,
                "unit": self.unit,
                "seconds": round(self.seconds, 4),
                "per_second": round(self.n / self.seconds),
                "floor": self.floor,
                "floor_seconds": round(self.floor_seconds, 4),
                "ratio": round(self.seconds / self.floor_seconds, 1),
            }
            | waited
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
    seconds: float = 0.0


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """The wall time of the block, once it has ended."""
    watch = Stopwatch()
    started = time.perf_counter()
    yield watch
    watch.seconds = time.perf_counter() - started
