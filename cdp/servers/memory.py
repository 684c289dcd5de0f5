"""How much memory there is."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

LIMITS = (  # of the container, by the two versions of control groups
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def memory_mb() -> int:
    """Of the machine, or of the container where that may take less."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in LIMITS:
        with suppress(OSError, ValueError):  # there is no such file, or it says that there is no limit
            sizes.append(int(limit.read_text()))
    return min(sizes) // 1024**2
