"""From an accepted event to the change in the feed, while 500 events a second come in, all as production runs it."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

import orjson
from django.db import connection, transaction
from django.utils import timezone

from benchmarks.accept import request_of
from benchmarks.buyers import rule_of
from benchmarks.crowd import Crowd, crowded
from benchmarks.figure import Figure, Sizes, benchmark
from benchmarks.load import send_from_many
from benchmarks.processes import Processes, running_processes
from cdp.roles import ADMIN
from cdp.servers.ports import HOST
from cdp.tokens import issue_token
from profiles.models import Source
from segments.models import Segment

RATE, BATCH = 500, 100  # events a second, of so many a request
SECONDS, N_WARMING = 20, 1_000
WAIT_SECONDS = 120  # for the last change
N_SEGMENTS = 20
EVENT = "Checkout Started"
# Everybody who starts a checkout comes in, and nobody did so before.
STARTED = {"op": "event", "name": EVENT, "within": {"last_days": 30}}
FLOOR = "events, members and feed of a request written by hand in one transaction, and the feed read"


@dataclass
class Watcher:
    """Reads the feed as integrations do, and takes the time at which each profile comes in."""

    port: int
    token: str
    seen_at: dict[str, float] = field(default_factory=dict)
    is_over: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def watch(self) -> None:
        try:
            client = http.client.HTTPConnection(HOST, self.port, timeout=60)
            after = 0
            while not self.is_over.is_set():
                url = f"/api/v1/segments/started/changes/?after={after}&page_size=1000"
                client.request("GET", url, headers={"Authorization": f"Bearer {self.token}"})
                page = orjson.loads(client.getresponse().read())
                now = time.monotonic()
                self.seen_at |= {row["profile"]: now for row in page["results"]}
                after = page["next_after"]
                if not page["results"]:
                    time.sleep(0.1)
        except Exception as error:  # told to who waits for the thread
            self.error = error

    def wait_for(self, n: int) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while len(self.seen_at) < n:
            assert self.error is None, self.error
            assert time.monotonic() < deadline, f"{len(self.seen_at)} of {n} came in"
            time.sleep(0.05)


@benchmark("following")
def following(sizes: Sizes) -> Iterator[Figure]:
    n_measured = min(RATE * SECONDS, sizes.profiles // 4 // BATCH * BATCH)
    n_warming = min(N_WARMING, n_measured)
    with crowded(sizes) as crowd, running_processes() as processes:
        Source.objects.create(key="bench", name="Bench", write_key="BENCH")
        for number in range(N_SEGMENTS - 1):
            rule = rule_of(number, has_window=True)
            listening = {"any": [rule, {"op": "event", "name": EVENT, "is": "gte", "value": 2 + number}]}
            Segment.objects.create(key=f"segment-{number}", name=f"Segment {number}", rule=listening)
        started = Segment.objects.create(key="started", name="Started", rule=STARTED)
        _token, text = issue_token("bench", role=ADMIN)
        people = people_of(crowd, n_warming + 2 * n_measured)
        by_hand = [
            written_by_hand(started.pk, people[first : first + BATCH], now=timezone.now())
            for first in range(n_warming + n_measured, len(people), BATCH)
        ]
        connection.close()
        for name in ("web", "worker", "beat"):
            processes.start(name)
        processes.wait_for_web()
        seconds = waits(processes, text, people[:n_warming], people[n_warming : n_warming + n_measured])
    yield Figure(
        "following",
        len(seconds),
        "events",
        median(seconds),
        FLOOR,
        median(by_hand),
        p99_seconds=seconds[len(seconds) * 99 // 100],
        p95_seconds=seconds[len(seconds) * 95 // 100],
    )


def waits(
    processes: Processes, token: str, warming: list[tuple[str, str]], measured: list[tuple[str, str]]
) -> list[float]:
    """The seconds from the answer to each event until its change was read, the least first."""
    watcher = Watcher(processes.port, token)
    thread = threading.Thread(target=watcher.watch)
    thread.start()
    try:
        send(warming, processes.port)
        watcher.wait_for(len(warming))
        accepted_at = send(measured, processes.port)
        watcher.wait_for(len(warming) + len(measured))
    finally:
        watcher.is_over.set()
        thread.join()
    return sorted(watcher.seen_at[public_id] - at for public_id, at in accepted_at.items())


def people_of(crowd: Crowd, n: int) -> list[tuple[str, str]]:
    """User id and public id of people from all over the table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'u' || id, public_id::text FROM profiles_profile ORDER BY md5(id::text) LIMIT %s", [n])
        found: list[tuple[str, str]] = cursor.fetchall()
        return found


def send(people: list[tuple[str, str]], port: int) -> dict[str, float]:
    """One event of each, RATE a second; when each was answered, by public id."""
    accepted_at: dict[str, float] = {}
    started = time.monotonic()
    for first in range(0, len(people), BATCH):
        some = people[first : first + BATCH]
        now = timezone.now()
        batch = [message(user_id, now) for user_id, _public_id in some]
        time.sleep(max(0.0, started + first / RATE - time.monotonic()))
        send_from_many([request_of({"batch": batch, "sentAt": now.isoformat()})], port=port, n_clients=1)
        at = time.monotonic()
        accepted_at |= {public_id: at for _user_id, public_id in some}
    return accepted_at


def message(user_id: str, now: datetime) -> dict[str, Any]:
    properties = {"total": 9, "products": [{"product_id": "p1", "category": "tea", "price": 9}]}
    return {
        "type": "track",
        "event": EVENT,
        "userId": user_id,
        "messageId": f"{EVENT} {user_id}",
        "timestamp": now.isoformat(),
        "properties": properties,
    }


def written_by_hand(segment_id: int, people: list[tuple[str, str]], *, now: datetime) -> float:
    """The seconds of one request's worth; what was written is taken out again."""
    started = time.perf_counter()
    params: dict[str, Any] = {"ids": [public_id for _user_id, public_id in people], "segment": segment_id, "now": now}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            WITH who AS (SELECT id FROM profiles_profile WHERE public_id = ANY(%(ids)s::uuid[])), happened AS (
                INSERT INTO profiles_event (
                    occurred_at, definition_id, profile_id, anchor_id, source_id, properties
                )
                SELECT %(now)s, kind.id, who.id, 2 * who.id, 1, '{}'
                FROM who, profiles_eventdefinition AS kind
                WHERE kind.name = 'Cart Updated'
            ), entered AS (
                INSERT INTO segments_membership (segment_id, profile_id, entered_at)
                SELECT %(segment)s, id, %(now)s FROM who
            )
            INSERT INTO segments_membershipchange (segment_id, profile_id, change, cause, at)
            SELECT %(segment)s, id, 'entered', 'data', %(now)s FROM who
            """,
            params,
        )
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM segments_membershipchange ORDER BY id DESC LIMIT %s", [len(people)])
        assert len(cursor.fetchall()) == len(people)
        seconds = time.perf_counter() - started
        cursor.execute("TRUNCATE segments_membership, segments_membershipchange RESTART IDENTITY")
    return seconds
