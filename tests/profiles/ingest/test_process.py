"""From the inbox into the tables."""

import random
import string
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from profiles.ingest import process
from profiles.ingest.accept import accept_messages
from profiles.ingest.process import Processed, process_batch
from profiles.models import (
    AttributeDefinition,
    AttributeType,
    Consent,
    Contribution,
    Event,
    EventDefinition,
    IdentifierKind,
    InboxMessage,
    Profile,
    ProfileChange,
    RejectedMessage,
    SourceDay,
)
from profiles.models.source import COUNTERS
from profiles.services.consents import Said, record_consents
from tests.factories.cdp import UserFactory
from tests.factories.profiles import AttributeDefinitionFactory, SourceFactory
from tests.factories.segments import SegmentFactory
from tests.profiles.ingest.messages import START, event_names, identify, message, people, profile_of, send, track

pytestmark = pytest.mark.django_db
NOW = START + timedelta(days=1)


@pytest.fixture
def shop():
    return SourceFactory(key="shop")


def topics(profile):
    return set(ProfileChange.objects.filter(profile_id=profile.pk).values_list("topic", flat=True))


def test_a_visitor_who_signs_in_is_one_person_with_all_events(shop):
    processed = send(
        shop,
        track("Product Viewed", anonymous="a1", at=0, sku="x"),
        identify(user="u1", anonymous="a1", at=1, email="Ann@Example.com", name="Ann"),
        track("Order Completed", user="u1", at=2, total=12.5),
    )

    ann = profile_of("email", "ann@example.com")
    assert processed == Processed(n_messages=3, n_events=3, n_profiles=1)
    assert people() == {frozenset({("anonymous_id", "a1"), ("user_id", "u1"), ("email", "ann@example.com")})}
    assert ann.attributes == {"name": "Ann", "email": "ann@example.com"}
    assert event_names(ann) == ["Product Viewed", "$identify", "Order Completed"]
    assert (ann.first_seen_at, ann.last_seen_at) == (START, START + timedelta(minutes=2))
    assert topics(ann) == {"created"}
    assert not InboxMessage.objects.exists()


def test_an_order_counts_positive_and_a_refund_negative(shop):
    send(
        shop,
        track("Order Completed", user="u1", at=0, total="100.50"),
        track("Order Refunded", user="u1", at=1, total=20),
        track("Order Completed", user="u1", at=2, total="free"),
        track("Product Viewed", user="u1", at=3, total=7),
        track("Order Refunded", user="u1", at=4, total=-40),
        track("Order Completed", user="u1", at=5, total=-3),
    )

    values = list(Event.objects.order_by("occurred_at").values_list("value", flat=True))
    assert values == [100.5, -20, None, None, -40, -3]


def test_a_message_sent_twice_is_one_whose_first_copy_counts(shop):
    first = track("Order Completed", user="u1", id="m-1", total=1)
    again = track("Order Completed", user="u2", id="m-1", total=2)

    assert send(shop, first, again).n_duplicates == 1
    assert send(shop, again).n_duplicates == 1

    assert Event.objects.get().value == 1
    assert people() == {frozenset({("user_id", "u1")})}


def test_the_same_message_id_of_another_source_is_another_message(shop):
    send(shop, track("Viewed", user="u1", id="m-1"))

    assert send(SourceFactory(), track("Viewed", user="u1", id="m-1")).n_events == 1


def test_an_alias_joins_what_the_visitor_did_to_the_user(shop):
    send(shop, message("page", anonymous="visitor", name="Home"), track("Viewed", user="u1"))
    assert len(people()) == 2

    processed = send(shop, message("alias", user="u1", previousId="visitor", at=1))

    assert processed.n_merges == 1
    assert people() == {frozenset({("user_id", "u1"), ("anonymous_id", "visitor")})}
    assert set(event_names(profile_of("user_id", "u1"))) == {"Page Viewed", "Viewed", "$alias"}


def test_a_previous_id_is_of_the_kind_that_the_source_says():
    till = SourceFactory(previous_id_kind=IdentifierKind.objects.get(key="member_card"))
    send(till, message("alias", user="u1", previousId="VIP-0042"))

    assert people() == {frozenset({("user_id", "u1"), ("member_card", "VIP0042")})}


def test_a_group_leaves_the_persons_attributes_alone(shop):
    send(shop, message("group", user="u1", groupId="g1", traits={"city": "Oslo", "email": "office@example.com"}))

    assert profile_of("user_id", "u1").attributes == {}
    assert people() == {frozenset({("user_id", "u1")})}


def test_one_bad_message_is_rejected_with_its_reason_and_the_others_go_on(shop):
    processed = send(
        shop,
        track("Viewed", user="u1"),
        message("charge", user="u1"),
        track("Viewed", user="null", anonymous="000"),
        track("Viewed", user="u2"),
    )

    assert processed == Processed(n_messages=4, n_rejected=2, n_events=2, n_profiles=2)
    reasons = set(RejectedMessage.objects.values_list("reason", flat=True))
    assert "type 'charge' is not taken; taken are identify, track, page, screen, group, alias" in reasons
    assert any(reason.startswith("no identifier that can name anybody") for reason in reasons)


def test_a_message_that_breaks_the_batch_is_isolated(shop, monkeypatch):
    def write_consents(messages, anchors):
        if any(found.event == "Poison" for found in messages):
            raise ValueError("poison")
        return whole(messages, anchors)

    whole = process.write_consents
    monkeypatch.setattr(process, "write_consents", write_consents)

    processed = send(shop, *[track("Poison" if n == 3 else "Viewed", user=f"u{n}") for n in range(8)])

    assert processed == Processed(n_messages=8, n_rejected=1, n_events=7, n_profiles=7)
    assert RejectedMessage.objects.get().reason == "could not be processed: ValueError: poison"
    assert not EventDefinition.objects.filter(name="Poison").exists()


def test_what_the_database_refuses_of_one_message_does_not_stop_the_others(shop, monkeypatch):
    """An index entry that is too large is an OperationalError, as a lost connection is."""

    def write_consents(messages, anchors):
        if any(found.event == "Poison" for found in messages):
            with connection.cursor() as cursor:
                cursor.execute("DO $$ BEGIN RAISE 'too large' USING ERRCODE = '54000', DETAIL = 'secret'; END $$")
        return whole(messages, anchors)

    whole = process.write_consents
    monkeypatch.setattr(process, "write_consents", write_consents)

    processed = send(shop, *[track("Poison" if n == 3 else "Viewed", user=f"u{n}") for n in range(8)])

    assert processed == Processed(n_messages=8, n_rejected=1, n_events=7, n_profiles=7)
    assert RejectedMessage.objects.get().reason == "could not be processed: OperationalError: too large"


@pytest.mark.parametrize("letters", [string.ascii_letters, "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨"])
def test_a_very_long_name_is_taken_and_found(shop, letters):
    name = "".join(random.Random(1).choices(letters, k=9_000))

    processed = send(shop, identify(user="u1", name=name))

    assert processed.n_rejected == 0
    assert profile_of("user_id", "u1").attributes == {"name": name}
    assert [Profile.objects.named(name[:n]).count() for n in (1, 100, 9_000)] == [1, 1, 1]


def test_a_blocked_identifier_is_dropped_and_counted(shop):
    processed = send(
        shop,
        track("Viewed", user="u1", anonymous="undefined"),
        track("Viewed", user="u2", anonymous="undefined"),
    )

    assert processed.n_blocked == 2
    assert len(people()) == 2


def test_empty_ids_are_absent_rather_than_blocked(shop):
    assert send(shop, track("Viewed", user="u1", anonymous="")).n_blocked == 0


def test_the_later_value_wins_whatever_the_order_of_arrival(shop):
    send(shop, identify(user="u1", at=5, city="Oslo"))
    send(shop, identify(user="u1", at=1, city="Rome", language="it"))

    assert profile_of("user_id", "u1").attributes == {"city": "Oslo", "language": "it"}


@pytest.mark.parametrize("comes_first", [0, 1], ids=["in order", "the later first"])
@pytest.mark.parametrize("at_once", [1, 2], ids=["one by one", "at once"])
def test_true_in_a_list_is_not_1(shop, at_once, comes_first):
    """To Python [1] and [true] are equal; the later one counts, by whatever identifier it was said."""
    send(shop, identify(user="u1", anonymous="a1"))
    said = [identify(anonymous="a1", at=1, flags=[1]), identify(user="u1", at=2, flags=[True])]
    as_they_come = said[::-1] if comes_first else said

    for n in range(0, 2, at_once):
        send(shop, *as_they_come[n : n + at_once])

    assert profile_of("user_id", "u1").attributes["flags"][0] is True


@pytest.mark.parametrize("missing", [None, ""])
def test_missing_wins_by_time_like_any_value(shop, missing):
    send(shop, identify(user="u1", at=1, city="Rome"), identify(user="u1", at=2, city=missing))
    assert profile_of("user_id", "u1").attributes == {}

    send(shop, identify(user="u1", at=3, city="Oslo"))
    assert profile_of("user_id", "u1").attributes == {"city": "Oslo"}


def test_a_value_that_does_not_fit_is_kept_raw_and_not_folded(shop):
    send(shop, identify(user="u1", birthday="2023-02-30"), identify(user="u1", at=1, email="not an address"))

    kept = Contribution.objects.get(definition__key="birthday")
    assert (kept.value, kept.fits) == ("2023-02-30", False)
    assert profile_of("user_id", "u1").attributes == {}


def test_who_says_the_same_again_is_not_folded_again(shop):
    send(shop, identify(user="u1", at=1, city="Oslo", name="Ann"))

    with CaptureQueriesContext(connection) as queries:
        send(shop, identify(user="u1", at=5, city="Oslo"), identify(user="u1", at=3, city="Rome"))

    assert not [query for query in queries if "surviving" in query["sql"]]
    assert profile_of("user_id", "u1").attributes == {"city": "Oslo", "name": "Ann"}
    assert Contribution.objects.get(definition__key="city").occurred_at == START + timedelta(minutes=5)


def test_what_is_newer_than_all_that_was_said_is_not_folded(shop):
    send(shop, identify(user="u1", at=1, city="Oslo", name="Ann", language="no"))

    with CaptureQueriesContext(connection) as queries:
        send(shop, identify(user="u1", at=5, city="Rome"), identify(user="u1", at=3, name="", gender="f"))

    assert not [query for query in queries if "surviving" in query["sql"]]
    assert profile_of("user_id", "u1").attributes == {"city": "Rome", "language": "no", "gender": "f"}


def test_what_is_as_old_as_something_that_was_said_is_folded(shop):
    till = SourceFactory(rank=200)
    send(till, identify(user="u1", at=5, city="Oslo"))

    send(shop, identify(user="u1", at=5, city="Rome"))
    assert profile_of("user_id", "u1").attributes == {"city": "Oslo"}

    send(shop, identify(user="u1", at=6, city="Rome"))
    assert profile_of("user_id", "u1").attributes == {"city": "Rome"}


@pytest.mark.parametrize(("word", "left"), [("many", {"points": 3}), ("", {})])
def test_a_source_that_no_longer_says_what_won_gives_way(shop, word, left):
    AttributeDefinitionFactory(key="points", type=AttributeType.NUMBER)
    till = SourceFactory()
    send(till, identify(user="u1", at=1, points=3))
    send(shop, identify(user="u1", at=2, points=5))

    send(shop, identify(user="u1", at=3, points=word))

    assert profile_of("user_id", "u1").attributes == left


def test_what_two_identifiers_say_of_one_person_in_a_batch_is_folded(shop):
    send(shop, identify(user="u1", anonymous="a1", at=1, city="Oslo"))

    send(shop, identify(anonymous="a1", at=3, city="Rome"), identify(user="u1", at=2, city="Oslo"))

    assert profile_of("user_id", "u1").attributes == {"city": "Rome"}


def test_the_source_of_higher_rank_wins_where_the_attribute_asks_for_it(shop):
    till = SourceFactory(key="till", rank=200)
    AttributeDefinition.objects.filter(key="city").update(survivorship="source_rank")
    send(till, identify(user="u1", at=0, city="Rome", name="R"))

    send(shop, identify(user="u1", at=1, city="Oslo", name="O"))

    assert profile_of("user_id", "u1").attributes == {"city": "Rome", "name": "O"}


def test_first_sight_makes_definitions_with_a_guessed_type(shop):
    send(
        shop,
        identify(user="u1", plan={"seats": 3, "trial": True}, joined="2026-01-02", vip=None, tags=["a"], zip="0150"),
    )

    types = dict(AttributeDefinition.objects.filter(is_discovered=True).values_list("key", "type"))
    assert types == {
        "plan.seats": "number",
        "plan.trial": "boolean",
        "joined": "date",
        "vip": "text",
        "tags": "list",
        "zip": "text",
    }
    assert profile_of("user_id", "u1").attributes["plan.seats"] == 3


def test_an_event_beyond_those_that_may_be_discovered_is_rejected_and_may_come_again(shop, settings):
    settings.MAX_DISCOVERED_EVENTS = 2
    send(shop, track("A", user="u1"))

    processed = send(
        shop,
        track("B", user="u1"),
        track("C", user="u1", id="c"),
        track("A", user="u1"),
        track("Order Completed", user="u1"),
    )

    assert processed == Processed(n_messages=4, n_rejected=1, n_events=3)
    assert RejectedMessage.objects.get().reason == "event 'C' is new, and there are 2 discovered ones already"
    settings.MAX_DISCOVERED_EVENTS = 3
    assert send(shop, track("C", user="u1", id="c")).n_events == 1


def test_a_trait_beyond_those_that_may_be_discovered_stays_in_its_event(shop, settings):
    settings.MAX_DISCOVERED_ATTRIBUTES = 1

    processed = send(shop, identify(user="u1", city="Oslo", colour="red", shade="dark"))

    assert processed == Processed(n_messages=1, n_events=1, n_profiles=1, n_odd_traits=1)
    assert profile_of("user_id", "u1").attributes == {"city": "Oslo", "colour": "red"}
    assert Event.objects.get().properties["shade"] == "dark"
    assert list(AttributeDefinition.objects.filter(is_discovered=True).values_list("key", flat=True)) == ["colour"]


def test_others_names_of_shipped_attributes_are_ours(shop):
    send(
        shop,
        message(
            "identify",
            user="u1",
            context={
                "traits": {"firstName": "Ann", "address": {"city": "Oslo", "street": "Gate 1"}},
                "locale": "nb-NO",
                "timezone": "Europe/Oslo",
            },
        ),
    )

    assert profile_of("user_id", "u1").attributes == {
        "first_name": "Ann",
        "city": "Oslo",
        "address.street": "Gate 1",
        "language": "nb-NO",
        "timezone": "Europe/Oslo",
    }


def test_consents_of_traits_are_kept_as_history(shop):
    send(shop, identify(user="u1", at=0, consents={"email": True, "sms": "denied"}))
    send(shop, identify(user="u1", at=1, consents={"email": False}))

    rows = Consent.objects.order_by("occurred_at", "channel").values_list("channel", "state")
    assert list(rows) == [("email", "granted"), ("sms", "denied"), ("email", "denied")]
    assert {consent.channel: consent.state for consent in Consent.objects.in_force()} == {
        "email": "denied",
        "sms": "denied",
    }
    assert not AttributeDefinition.objects.filter(key__startswith="consents").exists()


def test_what_is_said_after_a_word_from_a_clock_ahead_is_in_force(shop):
    now = START + timedelta(days=1)
    send(shop, identify(user="u1", at=25 * 60, consents={"email": True}), now=now)

    withdrawn = Said(profile_of("user_id", "u1").pk, "email", Consent.State.DENIED, now + timedelta(minutes=1))
    record_consents([withdrawn], user=UserFactory(), now=now + timedelta(minutes=1))

    assert Consent.objects.in_force().get().state == "denied"


def test_odd_traits_are_counted(shop):
    processed = send(shop, identify(user="u1", city="Oslo", consents={"email": "perhaps", "sms": True}))

    assert processed == Processed(n_messages=1, n_events=1, n_profiles=1, n_odd_traits=1)
    assert list(Consent.objects.values_list("channel", "state")) == [("sms", "granted")]


def test_what_became_of_messages_is_counted_by_source_and_day(shop):
    till = SourceFactory(key="till")
    send(shop, track("Viewed", user="u1", anonymous="null", id="m1"), track("Viewed", anonymous="a1"))
    send(till, identify(user="u1", anonymous="a1", at=1, consents={"email": "perhaps"}))
    late = datetime(2026, 3, 2, 20, tzinfo=UTC)  # the 3rd in Shanghai

    send(shop, track("Viewed", user="u1", id="m1"), message("charge", user="u1"), "no object", now=late)

    names = ("source__key", "day", *COUNTERS)
    assert list(SourceDay.objects.order_by("day", "source__key").values_list(*names)) == [
        ("shop", date(2026, 3, 2), 2, 0, 0, 1, 0, 2, 0),
        ("till", date(2026, 3, 2), 1, 0, 0, 0, 1, 1, 1),
        ("shop", date(2026, 3, 3), 3, 1, 2, 0, 0, 0, 0),
    ]


def test_counters_of_a_batch_that_fails_are_not_kept(shop, monkeypatch):
    def lost(*args, **kwargs):
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(process, "write_events", lost)
    with pytest.raises(OperationalError):
        send(shop, track("Viewed", user="u1"))

    assert not SourceDay.objects.exists()


def test_what_changed_is_queued_by_topic(shop):
    send(shop, identify(user="u1", at=0, city="Oslo"), track("Viewed", user="u2"))
    ProfileChange.objects.all().delete()
    rules = [
        {"op": "attribute", "key": "name", "is": "set"},
        {"op": "attribute", "key": "first_seen_at", "is": "set"},
        {"op": "attribute", "key": "last_seen_at", "is": "set"},
        {"op": "event", "name": "Viewed"},
    ]
    SegmentFactory(rule={"any": rules})

    send(shop, identify(user="u1", anonymous="a1", at=1, city="Oslo", name="Ann"), track("Viewed", user="u1", at=-5))

    assert topics(profile_of("user_id", "u1")) == {
        "event:Viewed",
        "attribute:name",
        "attribute:first_seen_at",
        "attribute:last_seen_at",
    }


def test_what_no_rule_speaks_of_is_not_queued(shop):
    send(shop, identify(user="u1", city="Oslo"))
    ProfileChange.objects.all().delete()
    SegmentFactory(rule={"op": "attribute", "key": "city", "is": "eq", "value": "Oslo"})

    send(shop, identify(user="u1", at=1, name="Ann"), track("Viewed", user="u1", at=2))

    assert not ProfileChange.objects.exists()


def test_an_event_of_the_future_is_due_at_its_time(shop):
    tomorrow = NOW + timedelta(hours=5)
    at = (tomorrow - START) / timedelta(minutes=1)

    send(shop, track("Appointment", user="u1", at=at))

    assert set(ProfileChange.objects.values_list("topic", "due_at")) == {
        ("created", NOW),
        ("event:Appointment", tomorrow),
        ("attribute:first_seen_at", tomorrow),
        ("attribute:last_seen_at", tomorrow),
    }
    ProfileChange.objects.all().delete()

    send(shop, track("Viewed", user="u1", at=at - 1))

    assert set(ProfileChange.objects.values_list("topic", "due_at")) == {
        ("event:Viewed", tomorrow - timedelta(minutes=1)),
        ("attribute:first_seen_at", tomorrow - timedelta(minutes=1)),
    }


def test_partitions_are_made_for_years_that_have_none(shop):
    later = datetime(2031, 5, 1, tzinfo=UTC)
    accept_messages(shop, [track("Viewed", user="u1", at=(later - START) / timedelta(minutes=1))], received_at=later)

    assert process_batch(now=later).n_events == 1
    assert Event.objects.get().occurred_at == later


def test_an_old_event_goes_into_the_partition_of_all_that_came_before(shop):
    old = datetime(1997, 1, 1, tzinfo=UTC)

    assert send(shop, track("Order Completed", user="u1", at=(old - START) / timedelta(minutes=1))).n_events == 1


def test_a_batch_that_fails_is_not_lost(shop, monkeypatch):
    def lost(*args, **kwargs):
        raise OperationalError("server closed the connection")

    accept_messages(shop, [track("Viewed", user="u1")], received_at=NOW)
    monkeypatch.setattr(process, "write_events", lost)

    with pytest.raises(OperationalError):
        process_batch(now=NOW)

    assert InboxMessage.objects.count() == 1
    assert not Profile.objects.exists()


def test_an_empty_inbox_is_said():
    assert process_batch(now=NOW) == Processed()


def test_a_known_batch_takes_a_fixed_number_of_queries(shop, django_assert_max_num_queries):
    send(shop, *[identify(user=f"u{n}", anonymous=f"a{n}", city="Oslo") for n in range(3)])
    messages = [identify(user=f"u{n}", anonymous=f"b{n}", at=1, city="Rome") for n in range(50)]
    accept_messages(shop, messages, received_at=NOW)

    with django_assert_max_num_queries(47):
        process_batch(now=NOW)
