"""Accepting messages over HTTP: batches of 100 through the web process as production starts it."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson
from django.db import connection, transaction
from django.utils import timezone

from benchmarks.figure import Figure, Sizes, benchmark, stopwatch
from benchmarks.load import send_from_many
from benchmarks.people import visits
from benchmarks.processes import running_processes
from cdp.copy import copy_rows
from cdp.servers.ports import HOST
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
        processes.wait_for_web()
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
    rest = (
        {**message, "context": LIBRARY, "integrations": {}}
        for message in visits(n_messages, n_people=n_messages, now=now, seed=1)
    )
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
