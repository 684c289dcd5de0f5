"""The whole of Strata on one machine: web, worker and beat beside the servers, running for as long as a block."""

from __future__ import annotations

import http.client
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connections

from cdp.servers.child import Child, ending_with_parent, is_written
from cdp.servers.data_dir import BASE_DIR
from cdp.servers.database_check import database_faults
from cdp.servers.errors import StackError
from cdp.servers.ports import HOST, is_free
from cdp.servers.supervisor import POLL_SECONDS, Say, Service, Supervisor, ignore_signals, say_to_stderr

READY_SECONDS = 180  # on a machine that does other things too
# A worker that is asked to stop finishes its task first; what it cannot finish in time is done again at the next start.
STOP_SECONDS = {"web": 10, "worker": 15, "beat": 5}
LEFTOVER_SECONDS = 30  # for what ends by itself: on a busy machine that takes longer than it should
COMMANDS = {
    # Where nobody is left to kill it, as when this process was killed, granian ends what does not end in order itself.
    "web": [
        *("granian", "--interface", "wsgi", "--blocking-threads", "4", "--no-ws", "--workers-kill-timeout", "8"),
        "cdp.wsgi:application",
    ],
    "worker": ["celery", "-A", "cdp", "worker", "--loglevel", "INFO"],
    "beat": ["celery", "-A", "cdp", "beat", "--loglevel", "INFO"],
}


class Stack:
    """Web, worker and beat, once they are healthy."""

    def __init__(self, url: str, log_dir: Path, supervisor: Supervisor) -> None:
        self.url = url
        self.log_dir = log_dir
        self._supervisor = supervisor

    def pid(self, name: str) -> int:
        """The process of `web`, `worker` or `beat`, as it is now."""
        return self._supervisor.pid(name)

    def serve(self) -> None:
        """Wait for Ctrl-C, SIGTERM or SIGHUP."""
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


@contextmanager
def running_stack(say: Say = say_to_stderr) -> Iterator[Stack]:
    """Check and migrate the database, start web, worker and beat, and wait until `/health/` says yes.

    The servers must run already: `manage.py` starts the embedded ones around `up` and `demo`. The three are started
    again when they die, and stopped at the end of the block.

    Raises:
        StackError: the port is taken, the database unfit, or the site not healthy; in one line, with the way out.
    """
    port: int = settings.PORT
    log_dir = settings.DATA_DIR / "logs"
    _wait_for_leftover(port, log_dir / "web.log")
    if not is_free(port):
        raise StackError(f"Port {port} is taken: stop what listens there, or choose another, such as PORT={port + 1}.")
    faults = database_faults()
    if faults:
        raise StackError(" ".join(f"{fault.message} {fault.hint}" for fault in faults))
    call_command("migrate", interactive=False, verbosity=0)
    connections.close_all()
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    services = {name: _service(name, port, log_dir) for name in COMMANDS}
    with Supervisor(say) as supervisor:
        try:
            for service in services.values():
                supervisor.start(service)
            supervisor.wait_until(lambda: is_healthy(port), services["web"], seconds=READY_SECONDS)
            yield Stack(f"http://{HOST}:{port}/", log_dir, supervisor)
        finally:
            ignore_signals()


def _wait_for_leftover(port: int, log: Path) -> None:
    """Let the site of a stack that was killed here end, which it does by itself: until then it holds the port."""
    deadline = time.monotonic() + LEFTOVER_SECONDS
    while not is_free(port) and is_written(log) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def is_healthy(port: int) -> bool:
    """Whether `/health/` answers 200: the site serves, and reaches its database and its broker."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request("GET", "/health/")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _service(name: str, port: int, log_dir: Path) -> Service:
    def start() -> Child:
        return start_process(name, port=port, log_dir=log_dir, environment=os.environ)

    return Service(name, start, log_dir / f"{name}.log", STOP_SECONDS[name])


def start_process(name: str, *, port: int, log_dir: Path, environment: Mapping[str, str]) -> Child:
    """Start `web` (on this port of loopback), `worker` or `beat` as production does, and do not wait for it."""
    command = ending_with_parent([sys.executable, "-m", *COMMANDS[name]], signal.SIGTERM)
    place = {"GRANIAN_HOST": HOST, "GRANIAN_PORT": str(port)}
    return Child(command, log=log_dir / f"{name}.log", env={**environment, **place}, cwd=BASE_DIR)
