"""Messages flow while everything is killed in turn: afterwards exactly those messages are there."""

from __future__ import annotations

import http.client
import itertools
import os
import signal
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg
import pytest

from cdp.servers.ports import HOST
from cdp.servers.stack import is_healthy
from cdp.servers.stack_file import read_stack_file
from tests.stacks import environment_of, run_manage, running_manage, wait_for, wait_for_process

pytestmark = pytest.mark.servers

N_MESSAGES = int(os.environ.get("KILL_MESSAGES", "6000"))  # once tried with 200,000 (2026-11)
N_KILLS = max(4, N_MESSAGES // 15_000)
VICTIMS = ("worker", "granian", "postgres", "valkey")
BATCH = 100
N_CLIENTS = 4
EACH = 5  # messages of one person
ANSWER_SECONDS = 30
AGAIN_SECONDS = 0.3
MAKE_SOURCE = "from profiles.models import Source; Source.objects.create(key='flow', name='Flow', write_key='FLOW')"
WHAT_IS_THERE = """
    SELECT count(*), count(DISTINCT properties ->> 'n'), count(DISTINCT profile_id), min(value), max(value)
    FROM profiles_event JOIN profiles_eventdefinition AS definition ON definition.id = definition_id
    WHERE definition.name = 'Order Completed'
"""


class Flow:
    """Clients that send all messages in batches, each batch again until it is answered with 200, as SDKs do.

    They wait where `open_to` ends, so that whoever opens it further and kills does so in the flow, however fast it is.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.batches = iter(range(0, N_MESSAGES, BATCH))
        self.lock = threading.Lock()
        self.opened = threading.Condition()
        self.n_open = self.n_answered = self.n_again = 0
        self.threads = [threading.Thread(target=self.send, daemon=True) for _ in range(N_CLIENTS)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def open_to(self, n_messages: int) -> None:
        with self.opened:
            self.n_open = n_messages
            self.opened.notify_all()

    def is_over(self) -> bool:
        return not any(thread.is_alive() for thread in self.threads)

    def send(self) -> None:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=ANSWER_SECONDS)
        while True:
            with self.lock:
                first = next(self.batches, None)
            if first is None:
                return
            with self.opened:
                while first >= self.n_open:
                    self.opened.wait()
            batch = [order(n) for n in range(first, min(first + BATCH, N_MESSAGES))]
            while not is_taken(connection, batch):
                with self.lock:
                    self.n_again += 1
                connection.close()
                time.sleep(AGAIN_SECONDS)
            with self.lock:
                self.n_answered += len(batch)


def order(n: int) -> dict[str, Any]:
    return {
        "type": "track", "messageId": f"m{n}", "userId": f"u{n // EACH}", "event": "Order Completed",
        "timestamp": datetime.now(UTC).isoformat(), "properties": {"n": n, "total": n},
    }  # fmt: skip


def is_taken(connection: http.client.HTTPConnection, batch: list[dict[str, Any]]) -> bool:
    """Whether the request was answered with 200; any other answer, and none, asks for another try."""
    body = orjson.dumps({"batch": batch, "sentAt": datetime.now(UTC).isoformat(), "writeKey": "FLOW"})
    try:
        connection.request("POST", "/v1/batch", body)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        return False
    return response.status == 200


def test_exactly_what_was_sent_is_there_after_everything_was_killed(tmp_path):
    data_dir = tmp_path / "data"
    env = environment_of(data_dir)
    port = int(env["PORT"])

    with running_manage("up", env=env, output=tmp_path / "output.txt"):
        wait_for(lambda: is_healthy(port), "the start")
        made = run_manage("shell", "-c", MAKE_SOURCE, env=env)
        assert made.returncode == 0, made.stderr
        flow = Flow(port)

        flow.start()
        for number, victim in zip(range(1, N_KILLS + 1), itertools.cycle(VICTIMS)):
            wait_for(lambda: flow.n_answered >= flow.n_open - N_CLIENTS * BATCH, f"{flow.n_open} messages")
            pid = wait_for_process(data_dir, victim)
            flow.open_to(N_MESSAGES * number // N_KILLS)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(flow.is_over, "the last answer")
        assert flow.n_again > 0
        url = read_stack_file(data_dir)["DATABASE_URL"]
        wait_for(lambda: left_in_inbox(url) == 0, "an empty inbox", seconds=120 + N_MESSAGES / 500)

        with psycopg.connect(url) as connection:
            there = connection.execute(WHAT_IS_THERE).fetchone()
            rejected = connection.execute("SELECT count(*) FROM profiles_rejectedmessage").fetchone()
        assert there == (N_MESSAGES, N_MESSAGES, N_MESSAGES // EACH, 0, N_MESSAGES - 1)
        assert rejected == (0,)


def left_in_inbox(url: str) -> int | None:
    """How many messages wait; None while the database is away."""
    try:
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT count(*) FROM profiles_inboxmessage").fetchone()
            return int(row[0]) if row else None
    except psycopg.OperationalError:
        return None
