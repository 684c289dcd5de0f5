"""Workers of the inbox, each a process of its own; Celery is left out, so that only the processing is measured."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from django.utils import timezone

from benchmarks.figure import stopwatch
from benchmarks.processes import url_of_database
from cdp.garbage import collect_rarely
from profiles.ingest.process import process_batch

WORKER = "import django; django.setup(); from benchmarks.workers import work; work()"


@dataclass(frozen=True)
class Worked:
    """What one worker did; its memory when it had started, and the most that it ever took."""

    n_messages: int
    idle_mb: float
    peak_mb: float


@dataclass(frozen=True)
class Crew:
    """Workers that have started and wait; they live on between two inboxes, as those of production do."""

    workers: list[subprocess.Popen[str]]

    def work_off(self) -> tuple[float, list[Worked]]:
        """Empty the inbox: the seconds, and what each worker did."""
        with stopwatch() as watch:
            for worker in self.workers:
                assert worker.stdin is not None
                worker.stdin.write("go\n")
                worker.stdin.flush()
            worked = [Worked(**json.loads(answer_of(worker))) for worker in self.workers]
        return watch.seconds, worked


@contextmanager
def crew_of(n_workers: int) -> Iterator[Crew]:
    """So many workers of the database at hand, who go home at the end of the block."""
    environment = os.environ | {"DATABASE_URL": url_of_database()}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(n_workers)
    ]
    try:
        for worker in workers:
            answer_of(worker)
        yield Crew(workers)
    finally:
        for worker in workers:
            worker.communicate()


def work_off(n_workers: int) -> tuple[float, list[Worked]]:
    """Empty the inbox by so many new workers: the seconds, without those of starting, and what each did."""
    with crew_of(n_workers) as crew:
        return crew.work_off()


def answer_of(worker: subprocess.Popen[str]) -> str:
    """The next line that it says."""
    assert worker.stdout is not None
    line = worker.stdout.readline()
    assert line, f"a worker ended with exit code {worker.wait()}"
    return line


def work() -> None:
    """In the worker: get ready, and at each word empty the inbox, and say what it took."""
    collect_rarely()
    process_batch(now=timezone.now(), limit=0)  # opens the connection
    idle_mb = peak_mb()
    print("ready", flush=True)
    for _word in sys.stdin:
        n_messages = 0
        while n_done := process_batch(now=timezone.now()).n_messages:
            n_messages += n_done
        print(json.dumps(asdict(Worked(n_messages, idle_mb, peak_mb()))), flush=True)


def peak_mb() -> float:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
