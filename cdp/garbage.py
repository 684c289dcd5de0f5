"""How often Python looks for garbage in a process that works through batches."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Objects that are there more before the collector looks again, and how many looks make one at what is older. A batch
# makes some hundred thousand, all of which its end frees by itself: with Python's own 700 the collector walked through
# them again and again, and took two fifths of an import's time; with 50,000 it still walked through the rows that are
# read ahead. The peak of memory is the same.
THRESHOLDS = 300_000, 20, 100


def collect_rarely() -> None:
    """Pass by what lives as long as the process, and look at the rest seldom: for processes that do long work.

    Walking through all of Django again and again took another fifth of the time in which messages are processed.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


@contextmanager
def garbage_waits() -> Iterator[None]:
    """Look for garbage behind this, not within: for one batch, whose end frees all that it made.

    Each look within walked through what the batch had made so far: a tenth of the CPU of an import (2026-11).
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
