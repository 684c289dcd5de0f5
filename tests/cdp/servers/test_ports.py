"""The ports of the embedded servers."""

from __future__ import annotations

import pytest

from cdp.servers import embedded, ports
from cdp.servers.embedded import _on_free_ports
from cdp.servers.ports import free_port
from cdp.servers.stack_file import StackFile, port_of, with_port


@pytest.fixture
def two_free(monkeypatch):
    """Something listens on all ports but these."""
    left = {20_001, 20_002}
    for module in (ports, embedded):
        monkeypatch.setattr(module, "is_free", left.__contains__)
    return left


def ports_of(file: StackFile) -> list[int]:
    return [port_of(file.database_url), port_of(file.broker_url)]


def test_a_port_is_one_on_which_nothing_listens_and_that_is_promised_to_nobody(two_free):
    assert {free_port() for _time in range(20)} == two_free
    assert {free_port(besides=[20_001]) for _time in range(20)} == {20_002}
    assert {free_port([20_000, 20_001]) for _time in range(20)} == {20_001}


def test_the_servers_of_a_stack_never_share_a_port(two_free):
    for _time in range(20):
        made = StackFile.make()
        assert set(ports_of(made)) == two_free

        alike = StackFile(made.secret_key, made.database_url, with_port(made.broker_url, port_of(made.database_url)))
        assert set(ports_of(_on_free_ports(alike))) == two_free


def test_kept_ports_stay_but_those_that_others_have_taken(two_free):
    made = StackFile.make()
    database_port, broker_port = ports_of(made)
    moved = StackFile(made.secret_key, with_port(made.database_url, 20_003), made.broker_url)

    assert _on_free_ports(made) == made
    assert ports_of(_on_free_ports(moved)) == [database_port, broker_port]
