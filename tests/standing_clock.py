"""The clock of rate limits, standing still: what they say is then the same however slow the machine is."""

from __future__ import annotations

import pytest

from cdp import throttle

CLOCK = "redis.call('TIME')"
SCRIPT = throttle.ADMIT


def set_rate_clock(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """It stands until it is set again. What was let in is forgotten by the server's own clock, once it is paid for."""
    assert CLOCK in SCRIPT
    monkeypatch.setattr(throttle, "ADMIT", SCRIPT.replace(CLOCK, f"{{{seconds}, 0}}"))
