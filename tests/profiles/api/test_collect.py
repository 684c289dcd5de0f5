"""Collecting over HTTP, as the SDKs do it."""

import base64
import gzip
import json
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from django.db import OperationalError
from django.utils import timezone

from cdp.throttle import seconds_to_wait
from profiles.api.body import GZIP_MAGIC
from profiles.ingest.accept import accept_messages
from profiles.ingest.process import process_batch
from profiles.models import Event, InboxMessage, Profile, RejectedMessage, Source
from profiles.services.rejected import replay as replay_rejected
from tests.factories.profiles import SourceFactory
from tests.profiles.ingest.messages import people, profile_of, track
from tests.stacks import wait_for
from tests.standing_clock import set_rate_clock

pytestmark = pytest.mark.django_db
CAPTURES = Path(__file__).parent / "captures"
EVENT_OF = {
    "identify": "$identify",
    "page": "Page Viewed",
    "screen": "Screen Viewed",
    "group": "$group",
    "alias": "$alias",
}
EVENT_FIELDS = ("definition__name", "value", "properties")
SHORT = {"t": "track", "i": "identify", "p": "page", "s": "screen", "g": "group", "a": "alias"}
PATHS = [
    *("/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch", "/v1/m"),
    *(f"/v1/{name}" for pair in SHORT.items() for name in pair),
    *("/v1/projects/WK/settings", "/sourceConfig"),
]


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
def test_all_that_real_sdks_send_is_taken(client, capture):
    """Recorded requests, preflights and settings among them: each message becomes one event of its kind."""
    requests = [json.loads(line) for line in capture.read_text().splitlines()]
    source = SourceFactory(write_key=key_of(requests))

    for request in requests:
        response = replay(client, **request)
        assert response.status_code == (204 if request["method"] == "OPTIONS" else 200)
        if request["method"] == "POST":
            assert response.json() == {"success": True}
        if origin := request["headers"].get("Origin"):
            assert response["Access-Control-Allow-Origin"] == origin
    while process_batch(now=timezone.now()).n_messages:
        pass

    bodies = [request["body"] for request in requests if "body" in request]
    messages = [message for body in bodies for message in body.get("batch", [body])]
    events = Event.objects.filter(source=source).values_list("definition__name", flat=True)
    assert Counter(events) == Counter(EVENT_OF.get(message["type"], message.get("event")) for message in messages)
    assert not RejectedMessage.objects.exists()
    if any(message["type"] == "identify" for message in messages):
        assert profile_of("user_id", "u1").attributes["email"] == "a@b.c"


@pytest.mark.parametrize("capture", sorted((CAPTURES / "again").glob("*.ndjson")), ids=lambda path: path.stem)
def test_what_real_sdks_sent_again_after_errors_counts_once(client, capture):
    """Recorded while every request but the last was answered with 500; here each had been stored all the same."""
    requests = [json.loads(line) for line in capture.read_text().splitlines()]
    source = SourceFactory(write_key=key_of(requests))

    statuses = {replay(client, **request).status_code for request in requests}
    processed = process_batch(now=timezone.now())

    bodies = [request["body"] for request in requests if "body" in request]
    ids = {message["messageId"] for body in bodies for message in body.get("batch", [body])}
    assert statuses <= {200, 204}
    assert (processed.n_rejected, processed.n_duplicates) == (0, processed.n_messages - len(ids))
    assert processed.n_duplicates > 0
    assert Event.objects.filter(source=source).count() == len(ids)


def key_of(requests):
    """The write key of a recording, wherever its client puts it."""
    for request in requests:
        if "Authorization" in request["headers"]:
            return base64.b64decode(request["headers"]["Authorization"].split()[1]).decode()[:-1]
    return "WK_RWEB"


def replay(client, *, method, path, headers, body=None):
    raw = b"" if body is None else orjson.dumps(body)
    if headers.get("Content-Encoding") == "gzip":
        raw = gzip.compress(raw)
    return client.generic(method, path, raw, headers.pop("Content-Type", ""), headers=headers)


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


def test_a_write_key_inside_a_message_of_a_batch_is_not_kept(client, shop):
    """Else who reads a rejected message reads it, and may send in the name of the source."""
    post(client, "/v1/batch", {"batch": [{**track("Viewed", user="u1"), "writeKey": "WK"}, "no message"]})

    (payload,) = payloads()
    assert (payload["event"], "writeKey" in payload) == ("Viewed", False)
    assert RejectedMessage.objects.get().payload == '"no message"'


@pytest.mark.parametrize("path", ["/v1/m", "/v1/m/"])
def test_what_an_sdk_measures_of_itself_is_taken_and_not_kept(client, path):
    response = post(client, path, {"series": [{"type": "Counter"}]}, content_type="text/plain")

    assert (response.status_code, response.json()) == (200, {"success": True})
    assert not InboxMessage.objects.exists()


@pytest.mark.parametrize("text", ["Å", "\\ud800"])
def test_a_byte_order_mark_before_the_body_is_passed_over(client, shop, text):
    raw = f'{{"writeKey": "WK", "batch": [{{"type": "track", "userId": "u1", "event": "{text}"}}]}}'

    assert post(client, "/v1/batch", raw.encode("utf-8-sig")).status_code == 200
    assert InboxMessage.objects.count() + RejectedMessage.objects.count() == 1


def nested(levels, *, inner=b"1"):
    return b'{"a":[' * (levels // 2) + inner + b"]}" * (levels // 2)


@pytest.mark.parametrize("levels", [300, 1_000, 1_500, 100_000])
@pytest.mark.parametrize("inner", [b"1", rb'"]}[{\\\"]"', b"NaN"], ids=["number", "text", "NaN"])
def test_a_message_that_is_nested_too_deeply_is_rejected_alone(client, shop, levels, inner):
    good = [orjson.dumps(track("Viewed", user="u1", text='"[{', n=n)) for n in range(3)]
    deep = b'{"type":"track","event":"Viewed","userId":"u1","messageId":"deep","properties":%s}'
    raw = b'{"writeKey":"WK","batch":[%s]}' % b",".join([good[0], deep % nested(levels, inner=inner), *good[1:]])

    response = post(client, "/v1/batch", raw)

    assert (response.status_code, response.json()) == (200, {"success": True})
    assert [payload["properties"] for payload in payloads()] == [{"text": '"[{', "n": n} for n in range(3)]
    rejected = RejectedMessage.objects.get()
    assert rejected.reason == "nested deeper than 254 levels"
    assert '"messageId": "deep"' in rejected.payload
    assert replay_rejected([rejected.pk]).replayed == 0


@pytest.mark.parametrize("raw", [b"[" * 5_000, b'{"batch":[' + nested(2_000) + b"}]", b'{"a":' * 2_000 + b'"'])
def test_a_deep_body_that_is_no_json_is_400(client, shop, raw):
    response = post(client, "/v1/batch", raw, Authorization=basic("WK"))

    assert (response.status_code, response.json()["code"]) == (400, "invalid_json")
    assert not RejectedMessage.objects.exists()


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
def test_the_content_type_is_not_looked_at(client, shop, content_type):
    body = {"batch": [track("Viewed", user="u1", text="a=b&c=%20+好")], "writeKey": "WK"}

    assert post(client, "/v1/batch", body, content_type=content_type).status_code == 200
    assert payloads()[0]["properties"] == {"text": "a=b&c=%20+好"}


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}, {"Content-Encoding": "GZIP"}])
def test_gzip_is_seen_with_and_without_its_header(client, shop, headers):
    raw = gzip.compress(orjson.dumps({"batch": [track("Viewed", user="u1")], "writeKey": "WK"}))

    assert post(client, "/v1/batch", raw, **headers).status_code == 200
    assert len(payloads()) == 1


@pytest.mark.parametrize("tail", [b"", b"\0" * 512], ids=["", "padded"])
@pytest.mark.parametrize("size", [1, 700, 1_000_000])
def test_gzip_of_several_members_is_read_whole(client, shop, size, tail):
    raw = orjson.dumps({"batch": [track("Viewed", user="u1", n=n) for n in range(3_000)]})
    whole = size if size > 1 else len(raw) // 2
    members = [gzip.compress(raw[at : at + whole]) for at in range(0, len(raw), whole)] + [gzip.compress(b"")]

    assert post(client, "/v1/batch", b"".join(members) + tail, Authorization=basic("WK")).status_code == 200
    assert [payload["properties"]["n"] for payload in payloads()] == list(range(3_000))


MEMBERS = [gzip.compress(part, mtime=0) for part in (b'{"batch": ', b"[]}")]


@pytest.mark.parametrize(
    "raw",
    [
        b"".join(MEMBERS)[:-1],
        MEMBERS[0] + MEMBERS[1][:4],
        b"".join(MEMBERS) + b"\0\0more",
        b"".join(MEMBERS) + b"more",
        b"".join(MEMBERS) + GZIP_MAGIC,
    ],
    ids=["cut-off", "cut-off-in-its-header", "zeros-and-more", "more", "begun"],
)
def test_gzip_whose_last_member_is_not_whole_is_400(client, shop, raw):
    response = post(client, "/v1/batch", raw, Authorization=basic("WK"))

    assert (response.status_code, response.json()["code"]) == (400, "invalid_gzip")


def test_members_of_gzip_are_bounded_together(client, shop, settings):
    settings.COLLECT_MAX_REQUEST_BYTES = 1_000_000
    member = gzip.compress(b" " * 400_000)

    taken = post(client, "/v1/batch", member * 2 + gzip.compress(b'{"batch": []}'), Authorization=basic("WK"))
    refused = post(client, "/v1/batch", member * 3, Authorization=basic("WK"))

    assert taken.status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")


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
        ("/beacon/v1/batch?writeKey=WK", {"batch": []}, ""),
    ],
)
def test_the_write_key_is_looked_for_in_order(client, shop, path, body, authorization):
    headers = {"Authorization": basic(authorization)} if authorization else {}

    assert post(client, path, body, **headers).status_code == 200


@pytest.mark.parametrize(
    "authorization", ["Bearer", "Digest a", "Basic", "Basic Og==", "Basic !", "Basic //79", "Basic é"]
)
def test_basic_without_a_user_leaves_the_write_key_to_the_body(client, shop, authorization):
    response = post(client, "/v1/batch", {"batch": [], "writeKey": "WK"}, Authorization=authorization)

    assert response.status_code == 200


@pytest.mark.parametrize("key", ["", "wrong", "\0", "\ud800", "é", {"a": 1}])
def test_an_unknown_write_key_is_401_and_nothing_is_stored(client, shop, key):
    body = json.dumps({"batch": [track("Viewed", user="u1")], "writeKey": key}).encode()

    response = post(client, "/v1/batch", body)

    assert (response.status_code, response.json()["code"]) == (401, "unknown_write_key")
    assert response.json()["message"]
    assert not InboxMessage.objects.exists()


def test_a_disabled_source_is_401(client):
    SourceFactory(write_key="WK", is_enabled=False)

    assert post(client, "/v1/batch", {"batch": []}, Authorization=basic("WK")).status_code == 401


def test_a_source_collects_nothing_more_from_the_moment_that_it_is_disabled(client, shop):
    batch = {"batch": [track("Viewed", user="u1")]}
    assert post(client, "/v1/batch", batch, Authorization=basic("WK")).status_code == 200

    Source.objects.update(is_enabled=False)  # the web process still knows the key
    statuses = [post(client, "/v1/batch", batch, Authorization=basic("WK")).status_code for _ in range(2)]

    assert statuses == [401, 401]
    assert InboxMessage.objects.count() == 1


def test_a_source_that_was_deleted_meanwhile_is_401(client, shop):
    post(client, "/v1/batch", {"batch": []}, Authorization=basic("WK"))
    Source.objects.filter(pk=shop.pk).delete()

    assert post(client, "/v1/batch", {"batch": [{}]}, Authorization=basic("WK")).status_code == 401
    assert not InboxMessage.objects.exists()


@pytest.mark.parametrize(("good_for", "status"), [(timedelta(minutes=1), 200), (-timedelta(minutes=1), 401)])
def test_a_replaced_key_is_good_until_its_time_is_over(client, good_for, status):
    SourceFactory(write_key="NEW", previous_write_key="OLD", previous_write_key_until=timezone.now() + good_for)

    assert post(client, "/v1/batch", {"batch": []}, Authorization=basic("NEW")).status_code == 200
    assert post(client, "/v1/batch", {"batch": []}, Authorization=basic("OLD")).status_code == status
    assert post(client, "/v1/batch", {"batch": []}, Authorization=basic("")).status_code == 401


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"[]", "invalid_json"),
        (b"\xff\xfe", "invalid_json"),
        (b'{"batch": NaN}', "invalid_batch"),
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


def test_a_request_of_too_many_messages_is_413_and_nothing_is_stored(client, shop, settings):
    settings.COLLECT_MAX_MESSAGES = 3

    taken = post(client, "/v1/batch", {"batch": [1, 2, 3]}, Authorization=basic("WK"))
    refused = post(client, "/v1/batch", {"batch": [1, 2, 3, 4]}, Authorization=basic("WK"))

    assert taken.status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (413, "too_many_messages")
    assert RejectedMessage.objects.count() == 3


def test_a_request_larger_than_djangos_own_limit_is_taken(client, shop, settings):
    batch = [track("Viewed", user="u1", text="x" * 30_000) for _ in range(100)]

    assert post(client, "/v1/batch", {"batch": batch}, Authorization=basic("WK")).status_code == 200
    assert len(payloads()) == 100


def test_one_bad_message_does_not_harm_the_others(client, shop):
    good = orjson.dumps(track("Viewed", user="u1")).decode()
    bad = {
        '{"type": "track", "messageId": "b1", "event": "\\ud800"}': "surrogate",
        '{"type": "track", "messageId": "b2", "event": "a\\u0000b"}': "NUL",
        '{"type": "track", "messageId": "b3", "event": "e", "properties": {"v": [NaN]}}': "NaN or an infinity",
        '{"type": "track", "messageId": "b4", "event": "e", "properties": {"v": -Infinity}}': "NaN or an infinity",
        '{"type": "track", "messageId": "b5", "event": "e", "properties": {"v": 1e400}}': "NaN or an infinity",
        "NaN": "not an object",
        '"text"': "not an object",
        orjson.dumps({"type": "track", "event": "x" * 33_000}).decode(): "larger than 32 KB",
        orjson.dumps({"type": "track", "event": "好" * 11_000}).decode(): "larger than 32 KB",
        '{"a":' * 300 + "1" + "}" * 300: "nested deeper than 254 levels",
    }
    raw = f'{{"batch": [{good}, {", ".join(bad)}, {good}]}}'.encode()

    assert post(client, "/v1/batch", raw, Authorization=basic("WK")).status_code == 200

    assert len(payloads()) == 2
    reasons = RejectedMessage.objects.order_by("id").values_list("reason", flat=True)
    for reason, expected in zip(reasons, bad.values(), strict=True):
        assert expected in reason


def test_a_single_message_with_nan_is_kept_with_its_reason(client, shop):
    raw = b'{"event": "e", "userId": "u1", "messageId": "m1", "properties": {"v": NaN}}'

    assert post(client, "/v1/track", raw, Authorization=basic("WK")).status_code == 200

    assert payloads() == []
    assert '"v": NaN' in RejectedMessage.objects.get().payload


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


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", PATHS)
def test_a_preflight_allows_what_it_asks_for(client, path, slash):
    asked = "anonymousid,authorization,content-type,sentat,x-retry-count"
    response = client.options(
        path + slash,
        headers={
            "Origin": "https://shop.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": asked,
        },
    )

    assert (response.status_code, response.content) == (204, b"")
    assert cors_of(response) == {
        "Access-Control-Allow-Origin": "https://shop.example",
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
        "Access-Control-Allow-Headers": asked,
        "Access-Control-Max-Age": "7200",
    }
    assert "Origin" in response["Vary"]


def cors_of(response):
    return {name: value for name, value in response.items() if name.startswith("Access-Control-")}


@pytest.mark.parametrize(("key", "status"), [("WK", 200), ("wrong", 401)])
def test_a_website_may_read_success_and_error_alike(client, shop, key, status):
    response = post(client, "/v1/batch", {"batch": []}, Authorization=basic(key), Origin="https://shop.example")

    assert response.status_code == status
    assert cors_of(response) == {
        "Access-Control-Allow-Origin": "https://shop.example",
        "Access-Control-Allow-Credentials": "true",
    }
    assert "Origin" in response["Vary"]


def test_who_is_no_website_gets_no_cors_headers(client, shop):
    assert cors_of(post(client, "/v1/batch", {"batch": []}, Authorization=basic("WK"))) == {}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/batch", "POST"),
        ("PUT", "/v1/t", "POST"),
        ("POST", "/sourceConfig/", "GET"),
        ("POST", "/v1/projects/WK/settings", "GET"),
    ],
)
def test_another_method_is_405_with_code_and_message(client, shop, method, path, allowed):
    response = client.generic(method, path)

    assert (response.status_code, response["Allow"]) == (405, f"{allowed}, OPTIONS")
    assert response.json() == {"code": "method_not_allowed", "message": f"This path takes {allowed}."}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/v1/tracks", "/v1/", "/beacon/v1/track", "/v1/projects/WK"])
def test_an_unknown_path_is_404_with_code_and_message(client, shop, method, path):
    response = client.generic(method, path)

    assert response.status_code == 404
    assert response.json() == {"code": "unknown_path", "message": "Nothing is collected at this path."}


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track/", "/beacon/v1/batch", "/v1/nothing", "/sourceConfig/"])
def test_a_host_that_is_not_ours_is_400_with_code_and_message(client, shop, path):
    """Without these the Python SDK of RudderStack sends it again ten times, and a page sees only a broken network."""
    body = {"batch": [track("Viewed", user="u1")], "writeKey": "WK"}

    response = post(client, path, body, host="elsewhere.example", origin="https://shop.example")

    said = {"code": "unknown_host", "message": "The host name is neither that of PUBLIC_URL nor in ALLOWED_HOSTS."}
    assert (response.status_code, response.json()) == (400, said)
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"
    assert not InboxMessage.objects.exists()


def test_a_host_that_is_not_ours_hears_of_it_in_words_of_oauth_where_tokens_are_made(client):
    response = client.post("/token", headers={"host": "elsewhere.example"})

    assert response.status_code == 400
    assert response.json()["error"] == "unknown_host"


def test_while_the_database_is_away_a_client_is_told_to_come_later(client, shop, monkeypatch):
    def is_away(*args, **kwargs):
        raise OperationalError("connection refused")

    monkeypatch.setattr("profiles.api.collect.accept_messages", is_away)

    response = post(client, "/v1/batch", {"batch": []}, Authorization=basic("WK"), Origin="https://shop.example")

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert response.json() == {"code": "unavailable", "message": "Nothing can be stored now. Try again later."}
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"


@pytest.mark.parametrize("path", ["/v1/batch", "/token"])
def test_what_nobody_foresaw_says_nothing_of_itself_and_is_logged(client, shop, monkeypatch, caplog, path):
    client.raise_request_exception = False
    for broken in ("accept_messages", "read_form"):
        monkeypatch.setattr(f"profiles.api.collect.{broken}", lambda *args, **how: 1 / 0)

    response = post(client, path, {"batch": []}, Authorization=basic("WK"), Origin="https://shop.example")

    assert response.status_code == 500
    assert sorted(response.json().values()) == ["Something went wrong here. Try again later.", "error"]
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "ZeroDivisionError" in caplog.text


def test_a_source_over_its_rate_is_told_when_to_come_again(client, monkeypatch):
    set_rate_clock(monkeypatch, 1_000_000)
    SourceFactory(write_key="SLOW", max_messages_per_second=10)
    SourceFactory(write_key="WK")
    batch = {"batch": [track("Viewed", user="u1") for _ in range(150)]}
    assert post(client, "/v1/batch", batch, Authorization=basic("SLOW")).status_code == 200

    response = post(client, "/v1/track", {}, Authorization=basic("SLOW"), Origin="https://shop.example")

    assert (response.status_code, response["Retry-After"]) == (429, "5")
    assert response.json() == {"code": "too_many", "message": "This source may send 10 messages a second."}
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"
    assert InboxMessage.objects.count() == 150
    assert post(client, "/v1/batch", batch, Authorization=basic("WK")).status_code == 200


def test_without_the_cache_no_source_is_limited(client, monkeypatch):
    SourceFactory(write_key="SLOW", max_messages_per_second=1)
    monkeypatch.setattr("cdp.throttle._away_until", time.monotonic() + 60)

    for _ in range(20):
        assert post(client, "/v1/track", {"userId": "u1"}, Authorization=basic("SLOW")).status_code == 200
    assert InboxMessage.objects.count() == 20


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


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_segments_own_python_sdk_collects(live_server, monkeypatch):
    monkeypatch.setattr("profiles.ingest.accept.wake", lambda stage: None)
    from segment.analytics import Client

    source = SourceFactory(key="sdk", write_key="SDK-KEY")
    errors = []
    sdk = Client("SDK-KEY", host=live_server.url, gzip=True, on_error=lambda error, items: errors.append(error))

    sdk.identify("u1", {"email": "Ann@Example.com", "name": "张三"})
    sdk.track("u1", "Order Completed", {"total": 12.5})
    sdk.page("u1", "Docs", "Python", {"url": "https://shop.example"})
    sdk.screen("u1", "Settings", "Brightness")
    sdk.group("u1", "g1", {"name": "Acme"})
    sdk.alias("visitor", "u1")
    sdk.flush()
    sdk.join()
    processed = process_batch(now=timezone.now())

    assert errors == []
    assert (processed.n_messages, processed.n_events, processed.n_rejected) == (6, 6, 0)
    assert Profile.objects.get().attributes == {"email": "ann@example.com", "name": "张三"}
    events = Event.objects.filter(source=source).exclude(definition__name="$identify")
    assert {name: (value, properties) for name, value, properties in events.values_list(*EVENT_FIELDS)} == {
        "Order Completed": (12.5, {"total": 12.5}),
        "Page Viewed": (None, {"name": "Python", "category": "Docs", "url": "https://shop.example"}),
        "Screen Viewed": (None, {"name": "Brightness", "category": "Settings"}),
        "$group": (None, {"groupId": "g1", "traits": {"name": "Acme"}}),
        "$alias": (None, {}),
    }
    assert people() == {frozenset({("user_id", "u1"), ("email", "ann@example.com"), ("anonymous_id", "visitor")})}


@pytest.fixture
def sdk(live_server, monkeypatch):
    """Makes a client of segment-analytics-python for a write key; whatever it gives up fails the test."""
    monkeypatch.setattr("profiles.ingest.accept.wake", lambda stage: None)
    from segment.analytics import Client

    given_up = []
    yield lambda key: Client(key, host=live_server.url, on_error=lambda error, items: given_up.append(error))
    assert given_up == []


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_segments_own_python_sdk_waits_while_its_source_is_over_its_rate(sdk, monkeypatch):
    source = SourceFactory(write_key="SLOW", max_messages_per_second=10)
    client = sdk("SLOW")
    waits = []

    def ask(name, **options):
        waits.append(seconds_to_wait(name, **options))
        return waits[-1]

    monkeypatch.setattr("profiles.api.collect.seconds_to_wait", ask)
    seconds_to_wait(f"collect:{source.pk}", n=130, per_second=10)

    client.track("u1", "Viewed")
    wait_for(lambda: waits, "the SDK")
    assert waits[0] > 0
    assert not InboxMessage.objects.exists()
    client.flush()
    client.join()

    assert process_batch(now=timezone.now()).n_events == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_what_segments_own_python_sdk_sends_again_counts_once(sdk, monkeypatch):
    SourceFactory(write_key="WK")
    answers = [OperationalError("connection lost"), OperationalError("connection lost")]

    def stored_but_not_said(*args, **kwargs):
        accept_messages(*args, **kwargs)
        if answers:
            raise answers.pop()

    monkeypatch.setattr("profiles.api.collect.accept_messages", stored_but_not_said)
    monkeypatch.setattr("profiles.api.collect.DATABASE_AWAY_SECONDS", 0)
    client = sdk("WK")

    for n in range(10):
        client.track("u1", "Viewed", {"n": n})
    client.flush()
    client.join()
    processed = process_batch(now=timezone.now())

    assert answers == []
    assert (processed.n_messages - processed.n_duplicates, processed.n_events) == (10, 10)
    assert processed.n_duplicates >= 2
