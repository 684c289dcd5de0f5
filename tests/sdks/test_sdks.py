"""Whatever a program tells an SDK arrives once and whole, also when the server errs, is silent or is killed."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from profiles.ingest.process import Processed, process_batch
from profiles.models import Event, Identifier, InboxMessage, MessageKey, Profile
from profiles.services.oauth import signer
from tests.conftest import PATIENCE_MS
from tests.factories.profiles import SourceFactory
from tests.needs import needed_command
from tests.rsa_keys import id_of, private_pem, public_pem
from tests.sdks.conftest import PROGRAMS, Server
from tests.sdks.line import Before, LoseAnswer, Refuse
from tests.sdks.packages import REQUIRED_BY, installed_sdks
from tests.stacks import wait_for

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

N_ORDERS = 60
N_IN_PAGE = 12  # a request each
SECONDS = 600
TRAITS = {"email": "ann@example.com", "name": "张三", "city": "Oslo", "points": 12.5, "vip": True}
PAGE = {"url": "https://shop.example/docs?a=1&b=%20", "depth": 3}
ORDERS = [
    {"order_id": f"o{n}", "total": n + 0.5, "items": [{"sku": f"s{n}", "n": n}], "note": 'a "b" \\u0000 中文 🎉'}
    for n in range(N_ORDERS)
]
Call = tuple[str, dict[str, Any]]
CALLS: list[Call] = [
    ("identify", {"userId": "u1", "traits": TRAITS}),
    ("page", {"userId": "u1", "category": "Docs", "name": "Start", "properties": PAGE}),
    ("screen", {"userId": "u1", "name": "Settings", "properties": {"theme": "dark"}}),
    ("group", {"userId": "u1", "groupId": "g1", "traits": {"name": "Acme", "seats": 7}}),
    ("alias", {"userId": "u1", "previousId": "visitor"}),
    *(("track", {"userId": "u1", "event": "Order Completed", "properties": order}) for order in ORDERS),
]
PAGE_CALLS = [
    ["identify", "u1", TRAITS],
    ["page", "Docs", "Start", PAGE],
    ["group", "g1", {"name": "Acme", "seats": 7}],
    ["alias", "u1", "visitor"],
    *(["track", "Order Completed", order] for order in ORDERS[:N_IN_PAGE]),
]


def troubles_of(server: Server) -> list[Any]:
    """An error, a limit, an answer lost after the messages were stored, and a kill; each time the next one passes."""
    return [Refuse(500), None, Refuse(429, {"Retry-After": "1"}), None, LoseAnswer(), None, Before(server.restart)]


def by_segment_python(key: str, url: str) -> list[Any]:
    """Make the calls in this process; returns what the SDK gave up."""
    from segment.analytics import Client

    given_up: list[Any] = []
    client = Client(key, host=url, upload_size=10, on_error=lambda error, items: given_up.append(error))
    make_in_python(client)
    return given_up


def by_rudder_python(key: str, url: str) -> list[Any]:
    from rudderstack.analytics.client import Client

    given_up: list[Any] = []
    client = Client(key, host=url, upload_size=10, on_error=lambda error, items: given_up.append(error))
    make_in_python(client)
    return given_up


def make_in_python(client: Any) -> None:
    names = {"userId": "user_id", "groupId": "group_id", "previousId": "previous_id"}
    for method, message in CALLS:
        getattr(client, method)(**{names.get(name, name): value for name, value in message.items()})
    client.flush()
    client.join()


def by_node(program: str) -> Callable[..., list[Any]]:
    def run(key: str, url: str, *more: str) -> list[Any]:
        """Make the calls in a program of Node's; returns what the SDK gave up."""
        node = needed_command("node", package="nodejs", required_by=REQUIRED_BY)
        done = subprocess.run(
            [node, PROGRAMS / program, key, url, *more],
            input=json.dumps(CALLS), capture_output=True, text=True, timeout=SECONDS, check=False,
            env={"NODE_PATH": str(installed_sdks())},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    return run


SDKS = {
    "segment-analytics-python": by_segment_python,
    "rudder-sdk-python": by_rudder_python,
    "@segment/analytics-node": by_node("segment_node.cjs"),
    "@rudderstack/rudder-sdk-node": by_node("rudder_node.cjs"),
}


@pytest.mark.parametrize("sdk", SDKS)
def test_what_a_program_says_arrives_once_and_whole(sdk, server, write_key):
    source = SourceFactory(write_key=write_key)
    server.line.troubles.extend(troubles_of(server))
    started_at = timezone.now()

    given_up = SDKS[sdk](write_key, server.line.url)
    processed = process_all()

    assert given_up == []
    assert processed.n_messages - processed.n_duplicates == processed.n_events == len(CALLS)
    assert processed.n_duplicates > 0  # of the request whose answer was lost
    assert processed.n_rejected == 0
    events = Event.objects.filter(source=source)
    assert counted(events) == counted_calls()
    assert all(abs(at - started_at) < timedelta(minutes=5) for at in events.values_list("occurred_at", flat=True))
    profile = Profile.objects.get()
    assert profile.attributes.items() >= TRAITS.items()
    assert identifiers() == {("user_id", "u1"), ("email", "ann@example.com"), ("anonymous_id", "visitor")}


@pytest.mark.parametrize("sdk", SDKS)
def test_a_program_with_a_wrong_key_hears_of_it_goes_on_and_does_not_try_again(sdk, server):
    """Each batch is sent once: an error without code and message would be taken for a broken network."""
    n_posts = server.line.n_posts

    given_up = SDKS[sdk]("wrong", server.line.url)

    assert len(given_up) > 0
    assert server.line.n_posts - n_posts <= len(CALLS) // 10 + 2  # the first call of some goes alone
    assert not InboxMessage.objects.exists()


def signed_in_python(url: str, *, token: str) -> list[Any]:
    """As `by_segment_python`, but with OAuth, and `token` as the one that the SDK believes to be good."""
    from segment.analytics import Client

    given_up: list[Any] = []
    client = Client(
        "unknown", host=url, upload_size=10, on_error=lambda error, items: given_up.append(error),
        oauth_auth_server=url, oauth_client_id="till", oauth_key_id=id_of(0), oauth_client_key=private_pem(0),
    )  # fmt: skip
    client.oauth_manager.token = token
    make_in_python(client)
    client.oauth_manager.thread.cancel()
    return given_up


def signed_in_node(url: str, *, token: str) -> list[Any]:
    oauth = {"authServer": url, "clientId": "till", "keyId": id_of(0), "clientKey": private_pem(0)}
    return by_node("segment_node.cjs")("unknown", url, json.dumps(oauth))


@pytest.mark.parametrize("sign_in", [signed_in_python, signed_in_node])
def test_what_a_program_says_that_signs_in_by_oauth_arrives_also_when_its_token_expires(sign_in, server):
    source = SourceFactory(key="till", oauth_public_keys=public_pem(0))
    with time_machine.travel(timezone.now() - timedelta(hours=1)):
        expired = signer().sign_object([source.pk, id_of(0)])
    server.line.troubles.extend([None, None, Refuse(511), Refuse(503), None, Refuse(511)])

    given_up = sign_in(server.line.url, token=expired)
    processed = process_all()

    assert given_up == []
    assert (processed.n_messages, processed.n_rejected) == (len(CALLS), 0)
    assert counted(Event.objects.filter(source=source)) == counted_calls()


def process_all() -> Processed:
    total = Processed()
    while (processed := process_batch(now=timezone.now())).n_messages:
        total += processed
    return total


def counted(events: Any) -> Counter[tuple[str, str]]:
    """Names and properties, as JSON."""
    named = events.values_list("definition__name", "properties")
    return Counter((name, json.dumps(properties, sort_keys=True)) for name, properties in named)


def counted_calls() -> Counter[tuple[str, str]]:
    """The calls as the events that they become (docs/adr/0008)."""
    expected = {
        "$identify": TRAITS,
        "Page Viewed": {**PAGE, "name": "Start", "category": "Docs"},
        "Screen Viewed": {"theme": "dark", "name": "Settings"},
        "$group": {"groupId": "g1", "traits": {"name": "Acme", "seats": 7}},
        "$alias": {},
    }
    calls = Counter((name, json.dumps(properties, sort_keys=True)) for name, properties in expected.items())
    return calls + counted_orders(N_ORDERS)


def counted_orders(n: int) -> Counter[tuple[str, str]]:
    return Counter(("Order Completed", json.dumps(order, sort_keys=True)) for order in ORDERS[:n])


def identifiers() -> set[tuple[str, str]]:
    return set(Identifier.objects.values_list("kind__key", "value"))


@pytest.mark.browser
@pytest.mark.parametrize("sdk", ["segment", "rudder", "snippet"])
def test_what_a_page_says_arrives_once_and_whole(
    sdk, django_db_serialized_rollback, chromium, website, server, write_key
):
    source = SourceFactory(write_key=write_key)
    context = chromium.new_context()
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(f"{website}/{sdk}.html")
    page.wait_for_function("() => window.make && true")
    server.line.troubles.extend(troubles_of(server))

    page.evaluate("calls => make(calls)", PAGE_CALLS)
    wait_for(lambda: n_known() == len(PAGE_CALLS), "every message", seconds=SECONDS)
    context.close()

    assert process_all().n_rejected == 0
    events = Event.objects.filter(source=source)
    assert counted(events.filter(definition__name="Order Completed")) == counted_orders(N_IN_PAGE)
    others = dict(events.exclude(definition__name="Order Completed").values_list("definition__name", "properties"))
    assert others.keys() == {"$identify", "Page Viewed", "$group", "$alias"}
    assert others["$identify"].items() >= TRAITS.items()
    assert others["Page Viewed"].items() >= {**PAGE, "name": "Start", "category": "Docs"}.items()
    assert others["$group"] == {"groupId": "g1", "traits": {"name": "Acme", "seats": 7}}
    assert Profile.objects.get().attributes.items() >= TRAITS.items()
    assert identifiers() >= {("user_id", "u1"), ("email", "ann@example.com"), ("anonymous_id", "visitor")}


def n_known() -> int:
    """How many messages have arrived, those not counted that came again."""
    process_all()
    return MessageKey.objects.count()
