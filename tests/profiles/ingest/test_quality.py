"""What was not planned is let through, counted or rejected, as its source says."""

from datetime import UTC, date, datetime, timedelta

import pytest

from profiles.ingest import quality
from profiles.models import (
    AttributeDefinition,
    Event,
    EventDay,
    EventDefinition,
    KindDay,
    MessageKey,
    RejectedMessage,
    Violation,
)
from tests.factories.profiles import AttributeDefinitionFactory, EventDefinitionFactory, SourceFactory
from tests.profiles.ingest.messages import START, identify, send, track

pytestmark = pytest.mark.django_db
NOW = START + timedelta(days=1)
PRICES = {"properties": {"price": {"type": "number"}}, "required": ["price"]}


def strict(handling):
    return SourceFactory(unplanned_events=handling, unplanned_attributes=handling, schema_violations=handling)


def odd_messages():
    EventDefinitionFactory(name="Viewed", schema=PRICES)
    return [
        track("Viewed", user="u1", id="v1", price="9"),
        track("Viewed", user="u1", id="v2", price=9),
        track("Sneezed", user="u1", id="s1"),
        identify(user="u1", id="i1", city="Oslo", shoe=43),
    ]


def violations():
    return sorted(Violation.objects.values_list("event", "rule", "path", "problem", "n_messages"))


def test_a_source_that_allows_all_is_not_compared(django_assert_max_num_queries):
    processed = send(SourceFactory(), *odd_messages())

    assert (processed.n_events, processed.n_rejected) == (4, 0)
    assert violations() == []


def test_what_is_flagged_is_taken_and_counted_with_examples():
    source = strict("flag")

    processed = send(source, *odd_messages())
    send(source, track("Viewed", user="u2", id="v3", price=["x"]), track("Viewed", user="u1", id="v1", price="9"))

    assert (processed.n_events, processed.n_rejected) == (4, 0)
    assert violations() == [
        ("$identify", "unplanned_attribute", "traits.shoe", "is not a planned attribute", 1),
        ("Sneezed", "unplanned_event", "event", "is not a planned event", 1),
        ("Viewed", "schema", "properties.price", 'is not of type "number"', 2),
    ]
    assert Violation.objects.get(event="Viewed").examples == [{"message": "v3", "value": ["x"]}]
    assert AttributeDefinition.objects.get(key="shoe").is_discovered


def test_what_is_rejected_names_its_place_and_leaves_no_trace():
    processed = send(strict("reject"), *odd_messages())

    assert (processed.n_events, processed.n_rejected) == (1, 3)
    assert sorted(RejectedMessage.objects.values_list("code", "reason")) == [
        ("schema", 'properties.price: is not of type "number"'),
        ("unplanned", "event 'Sneezed' is not a planned event"),
        ("unplanned", "traits.shoe: is not a planned attribute"),
    ]
    assert not AttributeDefinition.objects.filter(key="shoe").exists()
    assert not EventDefinition.objects.filter(name="Sneezed").exists()
    assert MessageKey.objects.count() == 1
    assert violations() == []


def test_a_message_that_is_rejected_for_one_thing_is_not_counted_for_another():
    source = SourceFactory(unplanned_attributes="reject", schema_violations="flag")
    EventDefinition.objects.filter(name="$identify").update(schema={"required": ["city"]})

    send(source, identify(user="u1", shoe=43), identify(user="u1", gender="f"))

    assert [rejected.reason for rejected in RejectedMessage.objects.all()] == [
        "traits.shoe: is not a planned attribute"
    ]
    assert violations() == [("$identify", "schema", "traits.city", "is missing", 1)]


@pytest.mark.parametrize("is_at_once", [True, False], ids=["one batch", "two"])
@pytest.mark.parametrize("prices", [("9", 9), (9, "9")], ids=["bad first", "good first"])
def test_each_copy_of_a_message_is_judged_by_itself(prices, is_at_once):
    source = strict("reject")
    EventDefinitionFactory(name="Viewed", schema=PRICES)
    copies = [track("Viewed", user="u1", id="v1", price=price) for price in prices]

    for requests in [copies] if is_at_once else [copies[:1], copies[1:]]:
        send(source, *requests)

    assert Event.objects.get().properties == {"price": 9}
    assert RejectedMessage.objects.get().reason == 'properties.price: is not of type "number"'


def test_what_is_flagged_is_counted_of_the_copy_that_is_taken():
    source = strict("flag")
    EventDefinitionFactory(name="Viewed", schema=PRICES)

    send(source, *(track("Viewed", user="u1", id="v1", price=price) for price in (9, "9")))
    assert violations() == []

    send(source, *(track("Viewed", user="u1", id="v2", price=price) for price in ("9", 9)))
    assert violations() == [("Viewed", "schema", "properties.price", 'is not of type "number"', 1)]


def test_a_discovered_attribute_is_unplanned_until_somebody_plans_it():
    source = SourceFactory(unplanned_attributes="reject")
    shoe = AttributeDefinitionFactory(key="shoe", is_discovered=True)

    assert send(source, identify(user="u1", shoe="43")).n_rejected == 1
    shoe.is_discovered = False
    shoe.save()
    assert send(source, identify(user="u1", shoe="43")).n_rejected == 0


def test_kinds_of_violations_are_bounded_by_source_and_day(monkeypatch):
    monkeypatch.setattr(quality, "MAX_KINDS_A_DAY", 2)
    source, other = SourceFactory(unplanned_attributes="flag"), SourceFactory(unplanned_attributes="flag")

    send(source, identify(user="u1", a=1, b=1, c=1, d=1))
    send(source, identify(user="u1", a=2, d=2))
    send(other, identify(user="u1", d=1))

    counted = sorted(Violation.objects.filter(source=source).values_list("rule", "path", "n_messages"))
    assert counted == [("more", "", 3), ("unplanned_attribute", "traits.a", 2), ("unplanned_attribute", "traits.b", 1)]
    assert Violation.objects.get(source=other).path == "traits.d"


def test_events_and_identifier_kinds_are_counted_by_business_day():
    source = SourceFactory()
    late = datetime(2026, 2, 28, 16, 30, tzinfo=UTC)  # the first of March in Shanghai

    send(source, track("Viewed", user="u1", anonymous="a1", id="v1"), track("Viewed", anonymous="a1", id="v2"))
    send(
        source,
        track("Viewed", user="u1", at=(late - START).total_seconds() / 60),
        track("Viewed", anonymous="a1", id="v2"),
    )

    days = EventDay.objects.filter(definition__name="Viewed").values_list("source", "day", "n_events", "last_at")
    assert list(days) == [(source.pk, date(2026, 3, 1), 3, NOW)]
    kinds = KindDay.objects.values_list("kind__key", "day", "n_messages")
    assert sorted(kinds) == [("anonymous_id", date(2026, 3, 2), 2), ("user_id", date(2026, 3, 2), 2)]


def test_a_guilty_message_does_not_make_the_others_count_twice():
    source = SourceFactory(unplanned_events="flag")
    bad = track("Viewed", user="u1", id="bad")
    bad["timestamp"] = "1999-01-01T00:00:00Z"
    good = [track("Viewed", user=f"u{n}", id=f"g{n}") for n in range(3)]

    send(source, *good, bad, *good)

    assert dict(EventDay.objects.values_list("day", "n_events")) == {date(2026, 3, 1): 3, date(1999, 1, 1): 1}
    assert violations() == [("Viewed", "unplanned_event", "event", "is not a planned event", 4)]


def test_values_that_do_not_fit_their_attribute_are_counted_of_every_source():
    AttributeDefinitionFactory(key="shoe", type="number")
    source = SourceFactory()

    send(
        source,
        identify(user="u1", id="i1", shoe="large", birthday="the first of May", email="nobody"),
        identify(user="u1", id="i2", shoe=43, birthday="2001-05-01", email=None),
        identify(user="u2", id="i3", shoe="small"),
    )

    assert violations() == [
        ("$identify", "misfit", "traits.birthday", "does not fit its type, date", 1),
        ("$identify", "misfit", "traits.email", "is not of the format email", 1),
        ("$identify", "misfit", "traits.shoe", "does not fit its type, number", 2),
    ]
    examples = Violation.objects.get(path="traits.shoe").examples
    assert {each["message"]: each["value"] for each in examples} == {"i1": "large", "i3": "small"}
