"""CPU time of this process, what it started, and the database's server; it counts where others use the machine."""

from __future__ import annotations

import os
from pathlib import Path

from django.db import connection

TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
PROC = Path("/proc")


def cpu_seconds() -> float | None:
    """Of all together, ended ones too. None where the server's processes cannot be seen: it is on another machine."""
    server = server_pid()
    return None if server is None else tree_seconds([os.getpid(), server])


def server_pid() -> int | None:
    """The process that started the one which serves this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    found = stat_of(backend)
    return None if found is None or not found[0].startswith("postgres") else found[1]


def tree_seconds(roots: list[int]) -> float:
    """User and system time of these processes and all below them, ended ones too."""
    children: dict[int, list[int]] = {}
    seconds: dict[int, float] = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit() and (found := stat_of(int(folder.name))) is not None:
            pid, (_name, parent, used) = int(folder.name), found
            children.setdefault(parent, []).append(pid)
            seconds[pid] = used
    total, waiting = 0.0, list(roots)
    while waiting:
        pid = waiting.pop()
        total += seconds.get(pid, 0.0)
        waiting += children.get(pid, [])
    return total


def stat_of(pid: int) -> tuple[str, int, float] | None:
    """Name, parent and CPU seconds, those of its ended children included; None where there is no such process."""
    try:
        head, _bracket, rest = (PROC / str(pid) / "stat").read_text().rpartition(")")
    except OSError:
        return None
    fields = rest.split()
    return head.partition("(")[2], int(fields[1]), sum(map(int, fields[11:15])) / TICK
