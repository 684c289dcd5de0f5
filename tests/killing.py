"""Workers of runs that are killed in the middle."""

from __future__ import annotations

import signal
import subprocess

from cdp.locks import session_lock
from cdp.models import Run
from cdp.runs import LOCK


def kill_worker(worker: subprocess.Popen[bytes], run: Run) -> None:
    """Kill it, and wait until the database has noticed, which ends its statement first: until then the run is held, and
    whoever else is to execute it passes on.
    """
    worker.send_signal(signal.SIGKILL)
    worker.wait(120)
    with session_lock(LOCK, run.pk, wait=True):
        pass
