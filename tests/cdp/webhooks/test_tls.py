"""https: a certificate of an authority that is trusted, and every other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from cdp.webhooks import post as posting
from cdp.webhooks.post import post
from tests.cdp.webhooks.certificates import authority_file, server_context
from tests.cdp.webhooks.receiver import receiver as start_receiver


@pytest.fixture(autouse=True)
def trusted(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The authority is trusted as operators say it: by SSL_CERT_FILE."""
    settings.WEBHOOK_NETWORKS = (ip_network("127.0.0.0/8"), ip_network("::1"))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file(tmp_path)))
    posting.tls.cache_clear()
    yield
    posting.tls.cache_clear()


def test_what_is_sent_to_a_good_certificate_arrives(tmp_path):
    with start_receiver(server_context(tmp_path)) as receiver:
        receiver.answers = [(200, {}, b"thanks")]

        answer = post(receiver.url, b"{}", {"webhook-id": "msg_1"})

    assert (answer.status, answer.text, receiver.heard[0].id) == (200, "thanks", "msg_1")
    assert receiver.heard[0].headers["host"] == receiver.url.split("/")[2]


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ({"ends_in": timedelta(minutes=-5)}, "certificate has expired"),
        ({"ends_in": timedelta(days=15)}, "certificate is not yet valid"),
        ({"signed_by": "strangers"}, "unable to get local issuer certificate"),
        ({"signed_by": "localhost"}, "self-signed certificate"),
        ({"host": "elsewhere.example.com"}, "Hostname mismatch, certificate is not valid for 'localhost'."),
    ],
)
def test_nothing_is_sent_to_a_certificate_that_is_not_good(shown: dict[str, Any], said: str, tmp_path: Path) -> None:
    with start_receiver(server_context(tmp_path, **shown)) as receiver:
        answer = post(receiver.url, b'{"personal": true}', {})

    assert (answer.status, answer.trouble, answer.text) == (None, "tls", said)
    assert receiver.heard == []


def test_where_no_tls_is_spoken_nothing_is_sent(tmp_path):
    with start_receiver() as receiver:
        answer = post(receiver.url.replace("http://", "https://").replace("127.0.0.1", "localhost"), b"{}", {})

    assert (answer.status, answer.trouble, receiver.heard) == (None, "broken", [])
