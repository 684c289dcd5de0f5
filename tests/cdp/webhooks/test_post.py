from uuid import UUID

import pytest
from standardwebhooks import Webhook as Verifier

from cdp.webhooks import post as posting
from cdp.webhooks.post import post
from cdp.webhooks.signing import new_secret, signed_headers
from tests.cdp.webhooks.receiver import BREAK, DRIP, HANG
from tests.factories.webhooks import SECRET


def test_what_is_sent_arrives(receiver):
    receiver.answers = [(200, {}, "好".encode() * 1000)]

    answer = post(receiver.url, b'{"a": 1}', {"webhook-id": "msg_1"})

    heard = receiver.heard[0]
    assert (answer.status, answer.trouble, answer.is_success) == (200, "", True)
    assert answer.text == "好" * 500
    assert (heard.body, heard.id, heard.headers["host"]) == (b'{"a": 1}', "msg_1", receiver.url.split("/")[2])


@pytest.mark.parametrize(
    ("told", "status", "retry_after"),
    [(500, 500, ""), ((429, {"Retry-After": "7"}, b""), 429, "7"), (410, 410, "")],
)
def test_an_error_is_an_answer(receiver, told, status, retry_after):
    receiver.answers = [told]

    answer = post(receiver.url, b"{}", {})

    assert (answer.status, answer.retry_after, answer.is_success) == (status, retry_after, False)


def test_a_redirect_is_not_followed(receiver):
    receiver.answers = [(307, {"Location": receiver.url}, b"")]

    assert post(receiver.url, b"{}", {}).status == 307
    assert len(receiver.heard) == 1


@pytest.mark.parametrize(("told", "trouble"), [(BREAK, "broken"), (HANG, "timeout"), (DRIP, "timeout")])
def test_no_answer_has_its_reason_within_the_time(receiver, told, trouble, monkeypatch):
    if trouble == "timeout":
        monkeypatch.setattr(posting, "TIMEOUT_SECONDS", 0.5)
    receiver.answers = [told]

    answer = post(receiver.url, b"{}", {})

    assert (answer.status, answer.trouble) == (None, trouble)


def test_nobody_listens(receiver):
    assert post("http://127.0.0.1:1/", b"{}", {}).trouble == "connection"
    assert post("http://nobody.invalid/", b"{}", {}).trouble == "name"


def test_a_private_address_is_not_asked(receiver, settings):
    settings.WEBHOOK_NETWORKS = ()

    assert post(receiver.url, b"{}", {}).trouble == "forbidden"
    assert receiver.heard == []


def test_a_signature_is_that_of_the_specification(now):
    headers = signed_headers(UUID(int=1), '{"test": 2432232314}', keys=[SECRET, new_secret()], now=now)

    first, second = headers["webhook-signature"].split(" ")
    assert headers["webhook-id"] == "msg_00000000000000000000000000000001"
    assert headers["webhook-timestamp"] == "1781496000"
    assert first == Verifier(SECRET).sign(headers["webhook-id"], now, '{"test": 2432232314}')
    assert second != first
