"""Loopback is the internet of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

import pytest
from pytest_django.fixtures import Settings

from tests.cdp.webhooks.receiver import Receiver
from tests.cdp.webhooks.receiver import receiver as start_receiver


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.WEBHOOK_NETWORKS = (ip_network("127.0.0.0/8"),)
    with start_receiver() as started:
        yield started
