"""Accepting messages over HTTP: batches of 100 through the web process as production starts it."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, urlsplit

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from benchmarks.figure import Figure, Sizes, benchmark, stopwatch
from benchmarks.load import send_from_many
from benchmarks.unify import messages
from cdp.copy import copy_rows
from cdp.servers.child import Child
from cdp.servers.ports import HOST, free_port
from cdp.servers.stack import STOP_SECONDS, is_healthy, start_process
from cdp.servers.supervisor import Service, Supervisor, say_to_stderr
from profiles.models import InboxMessage, MessageKey, Source

BATCH = 100
N_CLIENTS = 8
WORKER_SECONDS = 600
LIBRARY = {"library": {"name": "analytics-python", "version": "2.4.0"}}
FLOOR = "COPY of the same payloads by one client, a transaction a batch"


@benchmark("accept")
def accept(sizes: Sizes) -> Iterator[Figure]:
    source = Source.objects.create(key="bench", name="Bench", write_key="BENCH")
    bodies = list(batches(sizes.messages))
    floor_seconds = copy_batches(source.pk, bodies)
    n_messages = sum(len(body["batch"]) for body in bodies)
    with running_processes() as processes:
        processes.start("web")
        for name, requests, keeps_alive in (
            ("accept", [request_of(body) for body in bodies], True),
            ("accept_gzip", [request_of(body, packed=True) for body in bodies], True),
            ("accept_new_connections", [request_of(body) for body in bodies], False),
        ):
            warm_up(requests, port=processes.port)
            empty_inbox()
            seconds, p99 = timed(requests, port=processes.port, keeps_alive=keeps_alive)
            assert InboxMessage.objects.count() == n_messages
            yield Figure(name, n_messages, "messages", seconds, FLOOR, floor_seconds, p99)
        empty_inbox()
        warm_up(requests, port=processes.port)
        processes.start("worker")
        wait_until_worked_off()
        seconds, p99 = timed(requests, port=processes.port)
        yield Figure("accept_beside_a_worker", n_messages, "messages", seconds, FLOOR, floor_seconds, p99)
        wait_until_worked_off()
        assert MessageKey.objects.count() == n_messages


def batches(n_messages: int) -> Iterator[dict[str, Any]]:
    """Bodies as an SDK sends them."""
    now = timezone.now()
    rest = ({**message, "context": LIBRARY, "integrations": {}} for message in messages(n_messages, now=now))
    while batch := list(islice(rest, BATCH)):
        yield {"batch": batch, "sentAt": now.isoformat()}


def request_of(body: dict[str, Any], *, packed: bool = False) -> bytes:
    """A whole HTTP request."""
    raw = orjson.dumps(body)
    head = f"POST /v1/batch HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Basic QkVOQ0g6\r\n"
    if packed:
        raw = gzip.compress(raw)
        head += "Content-Encoding: gzip\r\n"
    return f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw


def warm_up(requests: list[bytes], *, port: int) -> None:
    """Let the server open its connections."""
    send_from_many(requests[: 2 * N_CLIENTS], port=port, n_clients=N_CLIENTS)


def timed(requests: list[bytes], *, port: int, keeps_alive: bool = True) -> tuple[float, float]:
    """The seconds of all together, and those that 99 of 100 took at most."""
    with stopwatch() as watch:
        each = send_from_many(requests, port=port, n_clients=N_CLIENTS, keeps_alive=keeps_alive)
    return watch.seconds, each[len(each) * 99 // 100]


def copy_batches(source_id: int, bodies: list[dict[str, Any]]) -> float:
    now = timezone.now()
    payloads = [[orjson.dumps(message).decode() for message in body["batch"]] for body in bodies]
    with stopwatch() as watch:
        for batch in payloads:
            with transaction.atomic():
                columns = ["source_id", "received_at", "sent_at", "payload"]
                copy_rows(InboxMessage._meta.db_table, columns, ((source_id, now, now, payload) for payload in batch))
    empty_inbox()
    return watch.seconds


def empty_inbox() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE profiles_inboxmessage")


def wait_until_worked_off() -> None:
    """Wait for the worker, which also says that it has started."""
    deadline = time.monotonic() + WORKER_SECONDS
    while InboxMessage.objects.exists():
        assert time.monotonic() < deadline, f"the worker left {InboxMessage.objects.count()} messages"
        time.sleep(0.2)


@dataclass
class Processes:
    """Web on `port`, and a worker, on the scratch database and with a queue of their own."""

    port: int
    folder: Path
    environment: dict[str, str]
    supervisor: Supervisor

    def start(self, name: str) -> None:
        """Start `web` and wait until it serves, or `worker`, and do not wait."""

        def start() -> Child:
            return start_process(name, port=self.port, log_dir=self.folder, environment=self.environment)

        service = Service(name, start, self.folder / f"{name}.log", STOP_SECONDS[name])
        self.supervisor.start(service)
        if name == "web":
            self.supervisor.wait_until(lambda: is_healthy(self.port), service, seconds=60)


@contextmanager
def running_processes() -> Iterator[Processes]:
    """Nothing at first; what is started is stopped at the end of the block."""
    with TemporaryDirectory() as folder, Supervisor(say_to_stderr) as supervisor:
        environment = {
            **os.environ, "DATABASE_URL": url_of_database(), "DATA_DIR": folder,
            "BROKER_URL": urlsplit(settings.CELERY_BROKER_URL)._replace(path="/5").geturl(),
        }  # fmt: skip
        yield Processes(free_port(), Path(folder), environment, supervisor)


def url_of_database() -> str:
    """Of the scratch database, on the server of `DATABASE_URL`."""
    at = connection.settings_dict
    user = f"{quote(at['USER'])}:{quote(at['PASSWORD'])}" if at["PASSWORD"] else quote(at["USER"])
    return f"postgres://{user}@{at['HOST']}:{at['PORT']}/{quote(at['NAME'])}"
