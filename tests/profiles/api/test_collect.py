"""Collecting over HTTP, as the SDKs do it."""

import base64
import gzip
import json
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from django.utils import timezone

from profiles.ingest.process import process_batch
from profiles.models import Event, InboxMessage, Profile, RejectedMessage
from tests.factories.profiles import SourceFactory
from tests.profiles.ingest.messages import people, track

pytestmark = pytest.mark.django_db
CAPTURES = Path(__file__).parent / "captures"


@pytest.fixture
def shop():
    return SourceFactory(key="shop", write_key="WK")


def basic(user):
    return "Basic " + base64.b64encode(f"{user}:".encode()).decode()


def post(client, path, body, *, content_type="application/json", **headers):
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return client.generic("POST", path, raw, content_type, headers=headers)


def payloads():
    return [orjson.loads(payload) for payload in InboxMessage.objects.order_by("id").values_list("payload", flat=True)]


@pytest.mark.parametrize("capture", sorted(CAPTURES.glob("*.ndjson")), ids=lambda path: path.stem)
def test_what_real_sdks_send_is_taken(client, capture):
    """Recorded requests; what Strata does not take yet (page, group …) is rejected with its reason."""
    requests = [json.loads(line) for line in capture.read_text().splitlines()]
    key = base64.b64decode(requests[0]["headers"]["Authorization"].split()[1]).decode()[:-1]
    source = SourceFactory(write_key=key)

    for request in requests:
        raw = orjson.dumps(request["body"])
        headers = request["headers"]
        if headers.get("Content-Encoding") == "gzip":
            raw = gzip.compress(raw)
        response = post(client, request["path"], raw, content_type=headers.pop("Content-Type"), **headers)
        assert (response.status_code, response.json()) == (200, {"success": True})
    while process_batch(now=timezone.now()).n_messages:
        pass

    messages = [message for request in requests for message in request["body"].get("batch", [request["body"]])]
    taken = [message for message in messages if message["type"] in ("identify", "track")]
    assert Event.objects.filter(source=source).count() == len(taken)
    assert RejectedMessage.objects.count() == len(messages) - len(taken)
    assert ("user_id", next(m["userId"] for m in taken if m.get("userId"))) in set().union(*people())
    assert Profile.objects.filter(attributes__email="a@b.c").exists()


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/batch/"])
def test_a_trailing_slash_makes_no_difference(client, shop, path):
    response = post(client, path, {"batch": [track("Viewed", user="u1")]}, Authorization=basic("WK"))

    assert response.status_code == 200
    assert len(payloads()) == 1


def test_single_paths_name_the_type(client, shop):
    post(client, "/v1/track", {"event": "Viewed", "userId": "u1"}, Authorization=basic("WK"))
    post(client, "/v1/identify/", {"userId": "u1", "traits": {}}, Authorization=basic("WK"))

    assert [payload["type"] for payload in payloads()] == ["track", "identify"]


@pytest.mark.parametrize(
    ("path", "body", "authorization"),
    [
        ("/v1/batch", {"batch": []}, "WK"),
        ("/v1/batch?writeKey=WK", {"batch": []}, ""),
        ("/v1/batch", {"batch": [], "writeKey": "WK"}, ""),
        ("/v1/batch", {"batch": [{"writeKey": "WK"}]}, ""),
        ("/v1/track", {"writeKey": "WK"}, ""),
        ("/v1/batch?writeKey=wrong", {"batch": [], "writeKey": "wrong"}, "WK"),
        ("/v1/batch?writeKey=WK", {"batch": [], "writeKey": "wrong"}, ""),
        ("/v1/batch", {"batch": [{"writeKey": "wrong"}], "writeKey": "WK"}, ""),
    ],
)
def test_the_write_key_is_looked_for_in_order(client, shop, path, body, authorization):
    headers = {"Authorization": basic(authorization)} if authorization else {}

    assert post(client, path, body, **headers).status_code == 200


@pytest.mark.parametrize("key", ["", "wrong", "\0", {"a": 1}])
def test_an_unknown_write_key_is_401_and_nothing_is_stored(client, shop, key):
    response = post(client, "/v1/batch", {"batch": [track("Viewed", user="u1")], "writeKey": key})

    assert (response.status_code, response.json()["code"]) == (401, "unknown_write_key")
    assert response.json()["message"]
    assert not InboxMessage.objects.exists()


def test_a_disabled_source_is_401(client):
    SourceFactory(write_key="WK", is_enabled=False)

    assert post(client, "/v1/batch", {"batch": []}, Authorization=basic("WK")).status_code == 401


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"[]", "invalid_json"),
        (b"\xff\xfe", "invalid_json"),
        (b'{"batch": [NaN]}', "invalid_json"),
        (b'{"batch": [1e400]}', "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b'{"batch": {}}', "invalid_batch"),
        (b"\x1f\x8bnonsense", "invalid_gzip"),
        (gzip.compress(b'{"batch": []}', mtime=0)[:-9], "invalid_gzip"),
    ],
)
def test_what_is_not_a_batch_is_400(client, shop, raw, code):
    response = post(client, "/v1/batch", raw, Authorization=basic("WK"))

    assert (response.status_code, response.json()["code"]) == (400, code)


@pytest.mark.parametrize("packed", [False, True])
def test_a_request_over_the_limit_is_413(client, shop, settings, packed):
    settings.COLLECT_MAX_REQUEST_BYTES = 1_000_000
    raw = orjson.dumps({"batch": ["x" * 1_000_000]})

    response = post(client, "/v1/batch", gzip.compress(raw) if packed else raw, Authorization=basic("WK"))

    assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_a_request_larger_than_djangos_own_limit_is_taken(client, shop, settings):
    batch = [track("Viewed", user="u1", text="x" * 30_000) for _ in range(100)]

    assert post(client, "/v1/batch", {"batch": batch}, Authorization=basic("WK")).status_code == 200
    assert len(payloads()) == 100


def test_one_bad_message_does_not_harm_the_others(client, shop):
    good = orjson.dumps(track("Viewed", user="u1")).decode()
    bad = {
        '{"type": "track", "messageId": "b1", "event": "\\ud800"}': "surrogate",
        '{"type": "track", "messageId": "b2", "event": "a\\u0000b"}': "NUL",
        '"text"': "not an object",
        orjson.dumps({"type": "track", "event": "x" * 33_000}).decode(): "larger than 32 KB",
        orjson.dumps({"type": "track", "event": "好" * 11_000}).decode(): "larger than 32 KB",
        '{"a":' * 300 + "1" + "}" * 300: "cannot be stored",
    }
    raw = f'{{"batch": [{good}, {", ".join(bad)}, {good}]}}'.encode()

    assert post(client, "/v1/batch", raw, Authorization=basic("WK")).status_code == 200

    assert len(payloads()) == 2
    reasons = RejectedMessage.objects.order_by("id").values_list("reason", flat=True)
    for reason, expected in zip(reasons, bad.values(), strict=True):
        assert expected in reason


def test_a_backslash_before_u0000_is_no_nul(client, shop):
    post(client, "/v1/batch", {"batch": [track("Viewed", user="u1", path="C:\\u0000")]}, Authorization=basic("WK"))

    assert len(payloads()) == 1


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


def test_a_preflight_allows_what_it_asks_for(client):
    response = client.options(
        "/v1/track",
        headers={
            "Origin": "https://shop.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "anonymousid,authorization,content-type,sentat",
        },
    )

    assert response.status_code == 204
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"
    assert response["Access-Control-Allow-Credentials"] == "true"
    assert response["Access-Control-Allow-Methods"] == "GET, POST, OPTIONS"
    assert response["Access-Control-Allow-Headers"] == "anonymousid,authorization,content-type,sentat"
    assert response["Access-Control-Max-Age"] == "7200"
    assert "Origin" in response["Vary"]


def test_a_website_may_read_success_and_error_alike(client, shop):
    for key in ("WK", "wrong"):
        response = post(client, "/v1/batch", {"batch": []}, Authorization=basic(key), Origin="https://shop.example")
        assert response["Access-Control-Allow-Origin"] == "https://shop.example"


def test_get_is_405_with_code_and_message(client):
    response = client.get("/v1/batch")

    assert (response.status_code, response["Allow"]) == (405, "POST, OPTIONS")
    assert response.json().keys() == {"code", "message"}


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_segments_own_python_sdk_collects(live_server, monkeypatch):
    monkeypatch.setattr("profiles.ingest.accept.wake", lambda stage: None)
    from segment.analytics import Client

    source = SourceFactory(key="sdk", write_key="SDK-KEY")
    errors = []
    sdk = Client("SDK-KEY", host=live_server.url, gzip=True, on_error=lambda error, items: errors.append(error))

    sdk.identify("u1", {"email": "Ann@Example.com", "name": "张三"})
    sdk.track("u1", "Order Completed", {"total": 12.5})
    sdk.page("u1", "Docs", "Python")
    sdk.flush()
    sdk.join()
    processed = process_batch(now=timezone.now())

    assert errors == []
    assert (processed.n_messages, processed.n_events, processed.n_rejected) == (3, 2, 1)
    assert Profile.objects.get().attributes == {"email": "ann@example.com", "name": "张三"}
    assert set(Event.objects.values_list("source", "value")) == {(source.pk, None), (source.pk, 12.5)}
