"""What operators find of a person, in words: the facts beside their answers, and who may read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.utils.translation import override

from cdp.rules.explain import explain_rules
from cdp.rules.parse import parse_rule
from profiles.masking import MASK, masking_for
from profiles.models import Profile
from tests.factories.cdp import UserFactory
from tests.factories.profiles import (
    AttributeDefinitionFactory,
    ConsentFactory,
    EventDefinitionFactory,
    EventFactory,
    IdentifierFactory,
    ProfileFactory,
)
from tests.factories.segments import MembershipFactory, SegmentFactory, TierSchemeFactory, TierStandingFactory
from tests.factories.tags import ScoreFactory, TagAssignmentFactory, TagFactory, TagValueFactory

pytestmark = pytest.mark.django_db

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def ann(now):
    return ProfileFactory(attributes={"city": "Shanghai", "name": "Ann"}, last_seen_at=now - 12 * DAY)


@pytest.fixture
def told(ann, now):
    """A function that gives the words found for a condition."""

    def tell(op, **params):
        (judged,) = explain_rules(
            [parse_rule({"op": op, **params})], Profile.objects.current(), profile_id=ann.pk, now=now
        )
        return [fact.text for fact in judged.facts]

    return tell


@pytest.fixture
def did(ann):
    def make(name, at, value=None, **properties):
        definition = EventDefinitionFactory(name=name)
        EventFactory(definition=definition, profile=ann, occurred_at=at, value=value, properties=properties)

    return make


def test_attributes_are_told_as_they_are(told, ann):
    for key, type_ in (("vip", "boolean"), ("n", "number")):
        AttributeDefinitionFactory(key=key, type=type_, label="")
    Profile.objects.filter(pk=ann.pk).update(attributes={"city": "Shanghai", "vip": True, "n": "many"})

    assert told("attribute", key="city", **{"is": "eq", "value": "Oslo"}) == ["City is Shanghai"]
    assert told("attribute", key="gender", **{"is": "set"}) == ["Gender is not known"]
    assert told("attribute", key="vip", **{"is": "set"}) == ["vip is Yes"]
    assert told("attribute", key="n", **{"is": "set"}) == [
        "n is many, which is not of the type “Number”: it counts as not known"
    ]
    assert told("attribute", key="last_seen_at", **{"is": "set"}) == ["the last sight: 12 days ago: 2026-06-03 12:00"]


def test_a_known_person_is_told_by_the_kinds_of_identifiers(told, ann):
    known = {"key": "is_known", "is": "eq", "value": True}

    assert told("attribute", **known) == ["no identifier of a personal kind"]
    IdentifierFactory(profile=ann, kind_key="device_id")
    IdentifierFactory(profile=ann, kind_key="email", value="ann@example.com")
    assert told("attribute", **known) == ["known by: Email"]


def test_events_are_counted_of_those_in_the_window(told, did, now):
    for days in (1, 12, 20, 40):
        did("Order Completed", now - days * DAY, total=days)
    orders = {"name": "Order Completed", "within": {"last_days": 23}}
    big = {"where": [{"key": "total", "is": "gte", "value": 12}]}

    assert told("event", **orders) == [
        "3 times “Order Completed” since 2026-05-23 12:00",
        "the last was 24 hours ago: 2026-06-14 12:00",
    ]
    assert told("event", **orders, **big) == [
        "2 of 3 times “Order Completed” since 2026-05-23 12:00",
        "the last was 12 days ago: 2026-06-03 12:00",
    ]
    assert told("event", **orders, measure={"sum": "total"}, **{"is": "gt", "value": 5})[1] == (
        "the sum of total over “Order Completed” since 2026-05-23 12:00: 33"
    )
    every = {"where": [{"key": "total", "is": "gte", "value": 1}]}
    assert told("event", **orders, **every)[0] == "3 of 3 times “Order Completed” since 2026-05-23 12:00"
    third = {
        "measure": {"avg": "total"},
        "within": {"last_days": 50},
        "where": [{"key": "total", "is": "gt", "value": 1}],
    }
    did("Order Completed", now - 30 * DAY, total=8)
    did("Order Completed", now - 31 * DAY, total=8.5)
    did("Order Completed", now - 32 * DAY, total=8.5)
    assert told("event", name="Order Completed", **third, **{"is": "gt", "value": 5})[1] == (
        "the average of total over “Order Completed” since 2026-04-26 12:00: 16.1667"
    )
    assert told("event", name="Order Completed", within={"calendar": "last_month"})[0] == (
        "5 times “Order Completed” from 2026-05-01 to 2026-05-31"
    )
    assert told("event", name="Order Completed", within={"until": "2026-01-01"}) == [
        "no “Order Completed” until 2026-01-01"
    ]
    assert told("event", name="Never") == ["nobody has sent “Never” yet"]


def test_recency_names_the_first_or_the_last(told, did, now):
    did("Order Completed", now - 12 * DAY)
    did("Order Completed", now - 400 * DAY)
    asked = {"name": "Order Completed", "is": "within", "days": 30}

    assert told("event_recency", which="last", **asked) == ["the last “Order Completed”: 12 days ago: 2026-06-03 12:00"]
    assert told("event_recency", which="first", **asked) == [
        "the first “Order Completed”: 400 days ago: 2025-05-11 12:00"
    ]
    EventDefinitionFactory(name="Viewed")
    assert told("event_recency", which="last", **asked | {"name": "Viewed"}) == ["no such event: “Viewed”"]


def test_a_sequence_tells_which_steps_were_found(told, did, now):
    for name, hours in (("View", 50), ("View", 10), ("Cart", 9), ("Buy", 60), ("View", 1)):
        did(name, now - hours * HOUR)
    steps = [{"name": "View"}, {"name": "Cart"}]
    found = ["step 1, “View”: 10 hours ago: 2026-06-15 02:00", "step 2, “Cart”: 9 hours ago: 2026-06-15 03:00"]

    assert told("sequence", steps=steps) == found
    assert told("sequence", steps=[*steps, {"name": "Buy"}]) == [
        *found,
        "step 3: 1 time “Buy”, but not after the steps before it, or not soon enough",
    ]
    wait = {"steps": steps, "then_not": {"name": "Buy"}}
    assert told("sequence", **wait, gap={"hours": 2}) == [*found, "nothing of “Buy” followed within 2 hours"]
    assert told("sequence", **wait, gap={"days": 1}) == [*found, "the wait of 1 day after the last step is not over"]
    did("Buy", now - 8 * HOUR)
    assert told("sequence", **wait, gap={"hours": 2}) == [*found, "“Buy” followed within 2 hours"]
    assert told("sequence", steps=[{"name": "Cart"}, {"name": "Cart"}], gap={"days": 1})[1:] == [
        "step 2: 1 time “Cart”, but not after the steps before it, or not soon enough"
    ]


def test_tags_segments_tiers_and_scores_are_told_with_their_times(told, ann, now):
    tag = TagFactory(key="card", name="Card")
    gold = TagValueFactory(tag=tag, key="gold", name="Gold")
    segment = SegmentFactory(key="loyal")
    scheme = TierSchemeFactory(key="club", tiers={"gold": None})

    assert told("tag", key="card") == ["does not carry the tag “Card”"]
    assert told("segment", key="loyal") == ["is not in"]
    assert told("tier", scheme="club", **{"in": ["gold"]}) == ["stands in no tier"]
    assert told("score", model="rfm", field="r", **{"is": "set"}) == ["no score of RFM"]
    TagAssignmentFactory(tag=tag, value=gold, profile=ann, assigned_at=now - 2 * DAY, expires_at=now + DAY)
    MembershipFactory(segment=segment, profile=ann, entered_at=now - 12 * DAY)
    TierStandingFactory(tier=scheme.tiers.get(), profile=ann, entered_at=now - 3 * DAY)
    ScoreFactory(profile=ann, scored_at=now - HOUR)
    assert told("tag", key="card") == [
        "carries the tag with the value “Gold” since 2026-06-13 12:00",
        "it expires in 24 hours: 2026-06-16 12:00",
    ]
    assert told("segment", key="loyal") == ["entered 12 days ago: 2026-06-03 12:00"]
    assert told("tier", scheme="club", **{"in": ["gold"]}) == ["entered the tier “Gold” 3 days ago: 2026-06-12 12:00"]
    assert told("score", model="rfm", field="frequency", **{"is": "set"}) == [
        "orders of RFM is 9, computed 1 hour ago: 2026-06-15 11:00"
    ]


def test_a_tag_that_expired_says_when(told, ann, now):
    tag = TagFactory(key="card")
    TagAssignmentFactory(tag=tag, profile=ann, expires_at=now)

    assert told("tag", key="card") == ["the tag expired 0 seconds ago: 2026-06-15 12:00"]


def test_identifiers_consents_and_draws_are_told(told, ann, now):
    assert told("identifier", kind="email") == ["no identifier of the kind “Email”"]
    assert told("consent", channel="email", **{"is": "granted"}) == ["no word on “email”"]
    for n in range(5):
        IdentifierFactory(profile=ann, kind_key="email", value=f"a{n}@example.com")
    ConsentFactory(profile=ann, state="denied", occurred_at=now - 3 * DAY)
    Profile.objects.filter(pk=ann.pk).update(public_id="00000000-0000-0000-0000-000000000000")

    assert told("identifier", kind="email") == ["Email: a0@example.com, a1@example.com, a2@example.com, and 2 more"]
    assert told("consent", channel="email", **{"is": "granted"}) == [
        "has refused “email”, 3 days ago: 2026-06-12 12:00"
    ]
    # md5 of "a:00000000-0000-0000-0000-000000000000" begins with 68c80d6a
    assert told("bucket", salt="a", **{"from": 0, "to": 50}) == ["the draw “a” gave 40.9302 %"]


def test_who_may_not_see_personal_data_reads_none_in_facts(ann, did, now):
    IdentifierFactory(profile=ann, kind_key="email", value="ann@example.com")
    did("Buy", now, total=5, phone=13899990000)
    asked = [
        {"op": "attribute", "key": "city", "is": "set"},
        {"op": "attribute", "key": "name", "is": "set"},
        {"op": "identifier", "kind": "email"},
        {"op": "event", "name": "Buy", "measure": {"max": "phone"}, "is": "set"},
        {"op": "event", "name": "Buy", "measure": {"max": "total"}, "is": "set"},
    ]
    judged = explain_rules([parse_rule(rule) for rule in asked], Profile.objects.all(), profile_id=ann.pk, now=now)

    told = {
        role: [[masking_for(UserFactory(role=role)).fact(fact).text for fact in each.facts][:2][-1] for each in judged]
        for role in ("operator", "viewer")
    }

    assert told["operator"][:3] == ["City is Shanghai", "Name is Ann", "Email: ann@example.com"]
    assert told["viewer"][:3] == ["City is Shanghai", f"Name is {MASK}", f"Email: {MASK}"]
    assert told["viewer"][3] == f"the greatest phone of “Buy”: {MASK}"
    assert told["viewer"][4] == "the greatest total of “Buy”: 5"


def test_a_value_of_nobody_known_is_hidden(ann):
    (judged,) = explain_rules(
        [parse_rule({"op": "attribute", "key": "city", "is": "set"})],
        Profile.objects.all(), profile_id=ann.pk, now=datetime(2026, 6, 15, tzinfo=UTC),
    )  # fmt: skip
    stray = replace(judged.facts[0], owner=None)

    assert masking_for(UserFactory(role="viewer")).fact(stray).value == MASK


def test_facts_speak_chinese(told, did, now):
    did("Buy", now - 12 * DAY)

    with override("zh-hans"):
        assert told("attribute", key="city", **{"is": "set"}) == ["城市：Shanghai"]
        assert told("event", name="Buy") == ["“Buy” 1 次", "最近一次：12 天前（2026-06-03 12:00）"]
