"""The embedded PostgreSQL: its settings, and how a start waits for it."""

from __future__ import annotations

import os
import subprocess
from threading import Timer

import pytest

from cdp.servers import embedded, memory, supervisor
from cdp.servers.embedded import start_postgres
from cdp.servers.errors import StackError
from cdp.servers.memory import memory_mb
from cdp.servers.postgres import Postgres, binaries, buffers_mb, unprivileged
from cdp.servers.stack_file import StackFile
from cdp.servers.supervisor import Supervisor


@pytest.mark.parametrize(
    ("size", "buffers"), [(512, 256), (2048, 819), (16_384, 6553), (262_144, 16_384)], ids=["tiny", "2G", "16G", "256G"]
)
def test_server_keeps_two_fifths_of_the_memory_within_bounds(size, buffers):
    assert buffers_mb(size) == buffers


def test_memory_is_that_of_the_container_where_it_may_take_less(tmp_path, monkeypatch):
    machine_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2
    limited, unlimited = tmp_path / "limited", tmp_path / "unlimited"
    limited.write_text(f"{64 * 1024**2}\n")
    unlimited.write_text("max\n")

    monkeypatch.setattr(memory, "LIMITS", (unlimited, tmp_path / "absent"))
    assert memory_mb() == machine_mb

    monkeypatch.setattr(memory, "LIMITS", (unlimited, limited))
    assert memory_mb() == 64


@pytest.fixture
def replaying(tmp_path, monkeypatch):
    """A server that goes on replaying until it is promoted, as one does after a kill until it is through."""
    monkeypatch.setattr(embedded, "READY_SECONDS", 2)
    server = Postgres(tmp_path, StackFile.make().database_url, is_throwaway=True)
    server.prepare()
    (server.folder / "standby.signal").touch()
    server.settings |= {"hot_standby": "off"}
    return server


@pytest.mark.servers
def test_a_start_waits_for_as_long_as_the_database_replays_its_log(replaying, monkeypatch):
    monkeypatch.setattr(supervisor, "PATIENT_SECONDS", 3)
    said = []
    promote = [*unprivileged(), str(binaries() / "pg_ctl"), "promote", "-D", str(replaying.folder)]
    promoted = Timer(8, lambda: subprocess.run(promote, check=True, capture_output=True))
    promoted.start()

    with Supervisor(said.append) as watching:
        start_postgres(watching, replaying)

        assert replaying.is_ready()
        assert not replaying.is_replaying()

    promoted.join()
    assert len(said) >= 2
    assert all(each.startswith("PostgreSQL is not ready yet: ") for each in said)


@pytest.mark.servers
def test_a_start_does_not_wait_for_a_database_that_does_nothing(replaying, monkeypatch):
    monkeypatch.setattr(replaying, "is_replaying", lambda: False)

    with Supervisor(print) as watching, pytest.raises(StackError, match="PostgreSQL does not get ready: "):
        start_postgres(watching, replaying)
