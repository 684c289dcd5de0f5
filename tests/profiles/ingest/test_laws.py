"""What must hold for any messages: order, batching and repetition do not matter, and limits are kept."""

from collections import Counter
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiles.ingest.accept import accept_messages
from profiles.ingest.process import process_batch
from profiles.models import (
    AttributeDefinition,
    Consent,
    Contribution,
    Event,
    Identifier,
    IdentifierKind,
    IdentityConflict,
    IdentityLink,
    InboxMessage,
    MessageKey,
    Profile,
    RejectedMessage,
    Source,
    Survivorship,
)
from tests.factories.profiles import SourceFactory
from tests.moments import check_moments
from tests.profiles.ingest.messages import START, message, people
from tests.profiles.ingest.workers import emptying_inbox

NOW = START + timedelta(days=1)
PHONES = {"13800138000": "+8613800138000", "+86 138 0013 8000": "+8613800138000", "13900139000": "+8613900139000"}
PRIORITY = ["user_id", "phone", "email", "anonymous_id"]
RANKS = {"shop": 100, "till": 200}

SKEWS = [timedelta(0), timedelta(seconds=59), timedelta(hours=-2)]  # how far clients' clocks are behind
WRITTEN = [
    InboxMessage, MessageKey, RejectedMessage, Event, Contribution, IdentityLink, IdentityConflict, Identifier, Profile
]  # fmt: skip


class Arrival(NamedTuple):
    """When a request came, and how far the clock of its client is behind."""

    received_at: datetime
    skew: timedelta

    @property
    def sent_at(self):
        return self.received_at - self.skew

    def later(self, minutes):
        """The same client sends again."""
        return self._replace(received_at=self.received_at + timedelta(minutes=minutes))


maybe = st.none() | st.just("")
traits = st.fixed_dictionaries(
    {},
    optional={
        "phone": st.sampled_from([*PHONES, "000"]),
        "email": st.sampled_from(["a@example.com", "A@Example.com", "b@example.com", "null"]),
        "city": st.sampled_from(["Oslo", "Rome"]) | maybe,
        "name": st.sampled_from(["Ann", "Bob"]) | maybe,
        "points": st.sampled_from([1, 2.5, "3", "many"]) | maybe,
    },
)


@st.composite
def histories(draw):
    """Messages of two sources, (source key, message, arrival) each, a few of them sent again; times and ids may tie."""
    said = []
    for n in range(draw(st.integers(1, 14))):
        user = draw(st.sampled_from(["u1", "u2", "u3", None, "", "null"]))
        anonymous = draw(st.sampled_from(["a1", "a2", "a3", "a4", None, "000"]))
        common = {"user": user, "anonymous": anonymous, "at": draw(st.integers(0, 4)), "id": f"m{n}"}
        if draw(st.booleans()):
            one = message("identify", traits=draw(traits), **common)
        else:
            total = draw(st.sampled_from([1, "2.5", None]))
            one = message("track", event=draw(st.sampled_from(["Viewed", "Order Completed"])), **common)
            one["properties"] = {"total": total}
        said.append((draw(st.sampled_from(list(RANKS))), one, Arrival(NOW, draw(st.sampled_from(SKEWS)))))
    repeated = draw(st.lists(st.tuples(st.sampled_from(said), st.integers(0, 100)), max_size=4))
    return said + [(*said_, arrival.later(minutes)) for (*said_, arrival), minutes in repeated]


@contextmanager
def world(*, limits):
    """Sources and definitions, gone afterwards; `limits` by kind key, no other kind has one."""
    with transaction.atomic():
        yield furnish(limits)
        transaction.set_rollback(True)


def furnish(limits):
    """Sources by key, beside the definitions that the histories speak of."""
    IdentifierKind.objects.update(limit_per_profile=None)
    for key, limit in limits.items():
        IdentifierKind.objects.filter(key=key).update(limit_per_profile=limit)
    AttributeDefinition.objects.get_or_create(key="points", type="number")
    AttributeDefinition.objects.filter(key="name").update(survivorship=Survivorship.SOURCE_RANK)
    return {key: Source.objects.get_or_create(key=key, rank=rank)[0] for key, rank in RANKS.items()}


def arrive(sources, history):
    for source, one, arrival in history:
        accept_messages(sources[source], [one], received_at=arrival.received_at, sent_at=arrival.sent_at)


def collect(sources, history, *, batch=1000):
    arrive(sources, history)
    while process_batch(now=NOW, limit=batch).n_messages:
        pass


def work_at_once(*, batch, n_workers=2):
    """Empty the inbox by several workers, each in a thread and on a connection of its own."""
    with emptying_inbox(now=NOW, batch=batch, n_workers=n_workers):
        pass


def state():
    """Everything that is known of each person, by their identifiers."""
    identifiers = {}
    for person in people():
        kind, value = next(iter(person))
        profile = Profile.objects.get(identifiers__kind__key=kind, identifiers__value=value)
        events = Event.objects.filter(profile=profile).values_list(
            "definition__name", "occurred_at", "value", "anchor__value", "source__key"
        )
        identifiers[person] = (
            profile.attributes,
            profile.first_seen_at,
            profile.last_seen_at,
            Counter(events),
        )
        assert profile.first_seen_at <= profile.last_seen_at
    assert Profile.objects.current().count() == len(identifiers)
    check_moments()
    return identifiers


@pytest.mark.django_db
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_batching_and_repetition_do_not_matter(history, random, batch):
    with world(limits={}) as sources:
        collect(sources, history)
        whole = state()

    with world(limits={}) as sources:
        collect(sources, random.sample(history, len(history)), batch=batch)
        assert state() == whole


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.integers(1, 5), st.integers(1, 2))
def test_a_limit_is_never_exceeded(history, batch, limit):
    with world(limits={"user_id": 1, "anonymous_id": limit}) as sources:
        collect(sources, history, batch=batch)

        for person in people():
            kinds = Counter(kind for kind, _value in person)
            assert kinds["user_id"] <= 1
            assert kinds["anonymous_id"] <= limit
        assert n_messages_kept() == n_messages_of(history)


def n_messages_kept():
    """Each message is one event, or in the list of the rejected."""
    return Event.objects.count() + len(set(RejectedMessage.objects.values_list("source_id", "payload")))


def n_messages_of(history):
    return len({(source, one["messageId"]) for source, one, _arrival in history})


@pytest.mark.django_db
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.integers(1, 5), st.integers(1, 2))
def test_where_a_limit_binds_the_same_messages_in_the_same_order_give_the_same(history, batch, limit):
    found = []
    for _time in range(2):
        with world(limits={"user_id": 1, "anonymous_id": limit}) as sources:
            collect(sources, history, batch=batch)
            conflicts = IdentityConflict.objects.values_list("anchor__value", "left_out__value", "n_messages")
            found.append((people(), state(), Counter(conflicts)))

    assert found[0] == found[1]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.integers(1, 3), st.sampled_from([None, 1]))
def test_two_workers_at_once_give_what_one_gives(history, batch, limit):
    limits = {"user_id": limit, "anonymous_id": limit}
    with world(limits=limits) as sources:
        collect(sources, history)
        alone = state()

    arrive(furnish(limits), history)
    work_at_once(batch=batch)

    assert n_messages_kept() == n_messages_of(history)
    if limit is None:
        assert state() == alone
    for person in people():
        assert limit is None or max(Counter(kind for kind, _value in person if kind in limits).values(), default=0) <= 1
    with connection.cursor() as cursor:  # Hypothesis comes again before the test has ended
        cursor.execute(f"TRUNCATE {', '.join(model._meta.db_table for model in WRITTEN)} CASCADE")


@st.composite
def words(draw):
    """Messages in the order of time: consents of a few, who turn out to be fewer; times may tie."""
    said = []
    at = 0
    for n in range(draw(st.integers(2, 10))):
        at += draw(st.integers(0, 1))
        user = draw(st.sampled_from(["u1", "u2", None]))
        anonymous = draw(st.sampled_from(["a1", "a2", "a3"]))
        consents = draw(st.dictionaries(st.sampled_from(["email", "sms"]), st.booleans()))
        common = {"user": user, "anonymous": anonymous if draw(st.booleans()) or not user else None}
        one = message("identify", at=at, id=f"m{n}", traits={"consents": consents}, **common)
        said.append(("shop", one, Arrival(NOW, timedelta(0))))
    return said


def in_force():
    """The consents in force of each person, by an identifier of theirs."""
    found = {}
    for consent in Consent.objects.in_force():
        for identifier in consent.profile.identifiers.all():
            found[identifier.value, consent.channel] = consent.state
    return found


@pytest.mark.django_db
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(words(), st.integers(1, 6), st.sampled_from([None, 1]))
def test_consents_in_force_do_not_depend_on_batching(history, batch, limit):
    with world(limits={"user_id": limit}) as sources:
        collect(sources, history, batch=1)
        one_by_one = in_force()

    with world(limits={"user_id": limit}) as sources:
        collect(sources, history, batch=batch)
        assert in_force() == one_by_one


@st.composite
def quarrels(draw):
    """A no of one device, a yes of another, perhaps a further word of either, and the logins by which they turn out to
    be one person's, in the order of time; and the same in the order in which they come.
    """
    further = st.tuples(st.sampled_from(["a1", "a2"]), st.sampled_from([True, False]))
    happened = [("a1", False), ("a2", True), ("a1", None), ("a2", None), *draw(st.lists(further, max_size=1))]
    said = []
    for n, (device, word) in enumerate(draw(st.permutations(happened))):
        user, consents = ("u1", {}) if word is None else (None, {"email": word})
        one = message("identify", user=user, anonymous=device, at=n, id=f"m{n}", traits={"consents": consents})
        said.append(("shop", one, Arrival(NOW, timedelta(0))))
    return said, draw(st.permutations(said))


@pytest.mark.django_db
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(quarrels(), st.integers(1, 3))
def test_consents_in_force_do_not_depend_on_order(histories, batch):
    in_order, as_they_came = histories
    with world(limits={}) as sources:
        collect(sources, in_order)
        expected = in_force()

    with world(limits={}) as sources:
        collect(sources, as_they_came, batch=batch)
        assert in_force() == expected


def anchor_of(one):
    """The identifier of highest priority that a message of these histories has, by plain Python."""
    given_ = one.get("traits", {})
    found = {
        "user_id": one["userId"] if one["userId"] in ("u1", "u2", "u3") else None,
        "phone": PHONES.get(given_.get("phone")),
        "email": (given_.get("email") or "").lower() if "@" in (given_.get("email") or "") else None,
        "anonymous_id": one["anonymousId"] if one["anonymousId"] not in (None, "000") else None,
    }
    return next(((kind, found[kind]) for kind in PRIORITY if found[kind]), None)


def fits(key, value):
    """What a contribution is, or nothing where it does not fit."""
    if value is None or value == "":
        return [None]
    if key == "points":
        return [{"3": 3, "many": None}.get(value, value)] if value != "many" else []
    if key == "phone":
        return [PHONES[value]] if value in PHONES else []
    if key == "email":
        return [value.lower()] if "@" in value else []
    return [value]


def occurred_at(one, arrival):
    """The client's time, corrected where its clock is off by more than a minute."""
    at = datetime.fromisoformat(one["timestamp"])
    return at + arrival.skew if abs(arrival.skew) > timedelta(minutes=1) else at


def golden_record(person, history):
    """The fold that design section 3 asks for, over plain messages."""
    last = {}
    for source, one, arrival in history:
        if one["type"] != "identify" or anchor_of(one) not in person:
            continue
        for key, value in one["traits"].items():
            slot = (anchor_of(one), source, key)
            said = (occurred_at(one, arrival), one["messageId"], value)
            if slot not in last or said[:2] > last[slot][:2]:
                last[slot] = said
    best = {}
    for (_anchor, source, key), (at, id_, value) in last.items():
        for stored in fits(key, value):
            rank = RANKS[source]
            order = (rank, at, id_) if key == "name" else (at, rank, id_)
            if key not in best or order > best[key][0]:
                best[key] = (order, stored)
    return {key: value for key, (_order, value) in best.items() if value is not None}


@pytest.mark.django_db
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.integers(1, 5))
def test_the_golden_record_is_a_plain_fold(history, batch):
    with world(limits={}) as sources:
        collect(sources, history, batch=batch)

        for person in people():
            kind, value = next(iter(person))
            profile = Profile.objects.get(identifiers__kind__key=kind, identifiers__value=value)
            assert profile.attributes == golden_record(person, history)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_workers_at_once_make_the_same_people_as_one():
    """A hundred people whose messages lie scattered over the batches of two workers, every message twice."""
    messages = []
    for n in range(100):
        messages += [
            message("track", event="Viewed", anonymous=f"a{n}", at=n, id=f"v{n}", properties={}),
            message("identify", user=f"u{n}", at=n + 1, id=f"i{n}", traits={"city": f"City {n}"}),
            message("identify", user=f"u{n}", anonymous=f"a{n}", at=n + 2, id=f"j{n}", traits={f"New {n % 5}": n}),
        ]
    messages = messages[::3] + messages[2::3] + messages[1::3] + messages[::2]
    accept_messages(SourceFactory(), messages + messages[100:], received_at=NOW)

    work_at_once(batch=17)

    assert people() == {frozenset({("user_id", f"u{n}"), ("anonymous_id", f"a{n}")}) for n in range(100)}
    assert Event.objects.count() == 300
    assert all(
        profile.attributes == {"city": f"City {n}", f"New {n % 5}": n}
        for n in range(100)
        for profile in Profile.objects.filter(identifiers__value=f"u{n}")
    )
    owners = set(Event.objects.values_list("profile_id", flat=True))
    assert owners == set(Profile.objects.current().values_list("pk", flat=True))
