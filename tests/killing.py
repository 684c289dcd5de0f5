"""Workers that are killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from django.db import connection

from cdp.locks import session_lock
from cdp.models import Run
from cdp.runs import LOCK
from cdp.servers.data_dir import BASE_DIR


def environment(**more: str) -> dict[str, str]:
    """That of a process of its own on the database of the tests."""
    base = os.environ["DATABASE_URL"].rpartition("/")[0]
    database = f"{base}/{connection.settings_dict['NAME']}"
    return {**os.environ, "DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "cdp.settings", **more}


def start_python(code: str, *arguments: str, stdout: int = subprocess.DEVNULL, **more: str) -> subprocess.Popen[bytes]:
    """Runs `code`, with `arguments` as `sys.argv[1:]`, and `more` in its environment."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=BASE_DIR,
        env=environment(**more),
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )


def give_lines(process: subprocess.Popen[bytes], n: int = 1) -> None:
    """Each lets it go on with one thing more."""
    assert process.stdin
    process.stdin.write(b"\n" * n)
    process.stdin.flush()


def kill_worker(worker: subprocess.Popen[bytes], run: Run) -> None:
    """Kill it, and wait until the database has noticed, which ends its statement first: until then the run is held, and
    whoever else is to execute it passes on.
    """
    worker.send_signal(signal.SIGKILL)
    worker.wait(120)
    with session_lock(LOCK, run.pk, wait=True):
        pass
