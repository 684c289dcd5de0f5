"""Collecting as the SDKs do it: recorded, and by the Python SDK itself. Those of Node and browsers: tests/sdks."""

import base64
import gzip
import json
from collections import Counter
from pathlib import Path

import orjson
import pytest
from django.db import OperationalError
from django.utils import timezone

from cdp.throttle import seconds_to_wait
from profiles.ingest.accept import accept_messages
from profiles.ingest.process import process_batch
from profiles.models import Event, InboxMessage, Profile, RejectedMessage
from tests.factories.profiles import SourceFactory
from tests.profiles.ingest.messages import people, profile_of
from tests.stacks import wait_for

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
