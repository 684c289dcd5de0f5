"""Collecting over HTTP: the paths, and what is kept of a message."""

import base64
from datetime import timedelta

import pytest
from django.utils import timezone

from profiles.models import InboxMessage
from tests.profiles.api.collecting import SHORT, basic, payloads, post
from tests.profiles.ingest.messages import track

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch"])
def test_batches_have_four_paths(client, shop, path, slash):
    response = post(client, f"{path}{slash}?writeKey=WK", {"batch": [track("Viewed", user="u1")]})

    assert (response.status_code, response.json()) == (200, {"success": True})
    assert [payload["type"] for payload in payloads()] == ["track"]


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(("path", "type_"), [(name, pair[1]) for pair in SHORT.items() for name in pair])
def test_single_paths_name_the_type(client, shop, path, type_, slash):
    response = post(client, f"/v1/{path}{slash}", {"userId": "u1", "writeKey": "WK"})

    assert (response.status_code, response.json()) == (200, {"success": True})
    (payload,) = payloads()
    assert (payload["type"], payload["userId"]) == (type_, "u1")
    assert "writeKey" not in payload


@pytest.mark.parametrize("path", ["/v1/m", "/v1/m/"])
def test_what_an_sdk_measures_of_itself_is_taken_and_not_kept(client, path):
    response = post(client, path, {"series": [{"type": "Counter"}]}, content_type="text/plain")

    assert (response.status_code, response.json()) == (200, {"success": True})
    assert not InboxMessage.objects.exists()


def test_a_message_without_id_gets_one_that_a_retry_shares(client, shop):
    dated = {"type": "track", "event": "Viewed", "userId": "u1", "timestamp": "2026-01-01T00:00:00Z"}
    for sent_at in ("2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"):
        post(client, "/v1/batch", {"batch": [{**dated, "sentAt": sent_at}]}, Authorization=basic("WK"))
    undated = {"type": "track", "event": "Viewed", "userId": "u1"}
    post(client, "/v1/batch", {"batch": [undated, undated, {**undated, "messageId": 7}]}, Authorization=basic("WK"))

    ids = [payload["messageId"] for payload in payloads()]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4
    assert ids[-1] == "7"


def test_sent_at_is_kept_to_correct_the_clients_clock(client, shop):
    body = {"batch": [track("Viewed", user="u1")], "sentAt": "2026-03-01T12:00:05Z"}

    post(client, "/v1/batch", body, Authorization=basic("WK"))

    kept = InboxMessage.objects.get()
    assert kept.sent_at.isoformat() == "2026-03-01T12:00:05+00:00"
    assert abs(timezone.now() - kept.received_at) < timedelta(minutes=1)


def test_headers_of_rudders_browser_sdk_fill_what_the_body_leaves_out(client, shop):
    visitor = base64.b64encode(b"visitor").decode()
    batch = [
        {"type": "page", "messageId": "1"},
        {"type": "page", "messageId": "2", "userId": "", "anonymousId": None},
        {"type": "page", "messageId": "3", "userId": "u1"},
        {"type": "page", "messageId": "4", "anonymousId": "a1"},
        "text",
    ]

    post(
        client,
        "/v1/batch?writeKey=WK",
        {"batch": batch},
        **{"AnonymousId": visitor, "SentAt": "2026-03-01T12:00:05.000Z"},
    )

    assert [payload.get("anonymousId") for payload in payloads()] == ["visitor", "visitor", None, "a1"]
    sent_at = {kept.sent_at.isoformat() for kept in InboxMessage.objects.all()}
    assert sent_at == {"2026-03-01T12:00:05+00:00"}


@pytest.mark.parametrize("headers", [{"AnonymousId": "???", "SentAt": "yesterday"}, {"AnonymousId": "//79"}])
def test_headers_that_say_nothing_are_passed_over(client, shop, headers):
    post(client, "/v1/page?writeKey=WK", {"messageId": "1"}, **headers)

    assert payloads() == [{"messageId": "1", "type": "page"}]
    assert InboxMessage.objects.get().sent_at is None
