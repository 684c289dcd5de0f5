"""Web and worker as production starts them, on the database of this process: a scratch one, or that of a test."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.db import connection

from cdp.servers.child import Child
from cdp.servers.errors import StackError
from cdp.servers.ports import HOST, free_port, is_free
from cdp.servers.stack import is_healthy, start_process
from cdp.servers.supervisor import last_line

READY_SECONDS = 120
QUEUE = "/5"  # a database of the broker that nobody else reads


@dataclass
class Processes:
    """Web on `port`, and a worker, with a queue of their own."""

    port: int
    folder: Path
    environment: dict[str, str]
    starter: ThreadPoolExecutor  # a process ends with the thread that started it, so that is one that lasts
    children: dict[str, Child] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self, name: str) -> None:
        """Start `web` or `worker`, and do not wait for it. What was killed may hold the port for a moment."""
        deadline = time.monotonic() + READY_SECONDS
        while name == "web" and not is_free(self.port) and time.monotonic() < deadline:
            time.sleep(0.05)
        starting = self.starter.submit(
            start_process, name, port=self.port, log_dir=self.folder, environment=self.environment
        )
        self.children[name] = starting.result()

    def wait_for_web(self) -> None:
        """Wait until web serves."""
        deadline = time.monotonic() + READY_SECONDS
        while not is_healthy(self.port):
            if time.monotonic() > deadline or self.children["web"].exit_code() is not None:
                raise StackError(f"web does not get ready: {last_line(self.folder / 'web.log')}")
            time.sleep(0.1)

    def kill(self, name: str) -> None:
        """End it as the kernel would: nothing is tidied up."""
        self.children.pop(name).kill_rest()


@contextmanager
def running_processes() -> Iterator[Processes]:
    """None at first; what was started is killed at the end of the block."""
    with TemporaryDirectory() as folder, ThreadPoolExecutor(max_workers=1) as starter:
        environment = {
            **os.environ, "DATABASE_URL": url_of_database(), "DATA_DIR": folder,
            "BROKER_URL": urlsplit(settings.CELERY_BROKER_URL)._replace(path=QUEUE).geturl(),
        }  # fmt: skip
        processes = Processes(free_port(), Path(folder), environment, starter)
        try:
            yield processes
        finally:
            for name in list(processes.children):
                processes.kill(name)


def url_of_database() -> str:
    """Of the scratch database, on the server of `DATABASE_URL`."""
    at = connection.settings_dict
    user = f"{quote(at['USER'])}:{quote(at['PASSWORD'])}" if at["PASSWORD"] else quote(at["USER"])
    return f"postgres://{user}@{at['HOST']}:{at['PORT']}/{quote(at['NAME'])}"
