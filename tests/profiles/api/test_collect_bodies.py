"""Bodies of collecting requests: JSON, gzip, their limits, and bad messages among good ones."""

import gzip

import orjson
import pytest

from profiles.api.body import GZIP_MAGIC
from profiles.models import InboxMessage, RejectedMessage
from profiles.services.rejected import replay as replay_rejected
from tests.profiles.api.collecting import basic, payloads, post
from tests.profiles.ingest.messages import track

pytestmark = pytest.mark.django_db


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
