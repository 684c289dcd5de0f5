"""The settings of the embedded PostgreSQL."""

from __future__ import annotations

import os

import pytest

from cdp.servers import memory
from cdp.servers.memory import memory_mb
from cdp.servers.postgres import buffers_mb


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
