"""Limits over all processes, counted by the cache's server."""

import time
from functools import partial
from uuid import uuid4

import pytest
from redis import Redis

from cdp import throttle
from cdp.servers.ports import free_port
from tests.stacks import wait_for
from tests.standing_clock import set_rate_clock


@pytest.fixture
def name():
    return f"test:{uuid4()}"


@pytest.fixture
def at(monkeypatch):
    """Sets the clock of the limits, in seconds. Keys live by the server's own, so that the times here are long."""
    set_rate_clock(monkeypatch, 1_000_000)
    return partial(set_rate_clock, monkeypatch)


@pytest.fixture
def away(monkeypatch):
    """A server that does not answer; gives the commands that were tried."""
    tried = []

    class Nobody(Redis):
        def execute_command(self, *command, **options):
            tried.append(command[0])
            return super().execute_command(*command, **options)

    nobody = Nobody(port=free_port(), socket_connect_timeout=0.25)
    monkeypatch.setattr(throttle, "server", lambda: nobody)
    monkeypatch.setattr(throttle, "_away_until", 0.0)
    return tried


def test_the_rate_is_let_in_with_a_burst_ahead(name, at, monkeypatch):
    monkeypatch.setattr(throttle, "BURST_SECONDS", 10_000)
    assert [throttle.seconds_to_wait(name, n=10_000, per_second=10) for _ in range(11)] == [0] * 11

    assert throttle.seconds_to_wait(name, n=10_000, per_second=10) == 1_000
    assert throttle.seconds_to_wait(f"{name}:other", n=10_000, per_second=10) == 0


def test_one_that_is_larger_than_the_burst_is_let_in_and_then_paid_for(name, at):
    assert throttle.seconds_to_wait(name, n=3_000, per_second=10) == 0

    waits = [throttle.seconds_to_wait(name, n=1, per_second=10) for _ in range(3)]

    assert waits == [290] * 3  # 300 s in debt, of which 10 are allowed; the refused add nothing


def test_after_the_wait_there_is_room_again(name, at):
    at(1_000)
    throttle.seconds_to_wait(name, n=50_000, per_second=100)
    assert throttle.seconds_to_wait(name, n=1, per_second=100) == 490

    at(1_489)
    assert throttle.seconds_to_wait(name, n=1, per_second=100) == 1

    at(1_490)
    assert throttle.seconds_to_wait(name, n=1, per_second=100) == 0
    assert throttle.seconds_to_wait(name, n=1, per_second=100) == 1


def test_by_the_servers_own_clock_room_comes_by_itself(name):
    throttle.seconds_to_wait(name, n=1_050, per_second=100)

    wait_for(lambda: throttle.seconds_to_wait(name, n=1, per_second=100) == 0, "room")


def test_the_key_goes_when_all_is_paid(name, at):
    throttle.seconds_to_wait(name, n=6_000, per_second=10)

    (key,) = throttle.server().scan_iter(f"*{name}")
    assert 500_000 < throttle.server().pttl(key) <= 600_001


def test_the_first_within_a_while_is_one(name):
    assert [throttle.is_first_within(name, 600) for _ in range(100)] == [True] + [False] * 99

    throttle.is_first_within(f"{name}:soon", 0.2)

    wait_for(lambda: throttle.is_first_within(f"{name}:soon", 0.2), "the end of the while")


def test_without_its_server_nothing_is_limited_and_the_log_says_so_once(name, away, caplog):
    assert [throttle.seconds_to_wait(name, n=10_000, per_second=1) for _ in range(3)] == [0, 0, 0]
    assert not throttle.is_first_within(name, 1)

    assert away == ["EVAL"]
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "The cache is away; for 5 s nothing is limited, and only beat wakes"
    ]


def test_a_server_that_was_away_is_asked_again_later(name, away, monkeypatch):
    throttle.seconds_to_wait(name, n=1, per_second=1)
    monkeypatch.setattr(throttle, "_away_until", time.monotonic() - 1)

    throttle.seconds_to_wait(name, n=1, per_second=1)

    assert away == ["EVAL", "EVAL"]
