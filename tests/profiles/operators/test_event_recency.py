"""The operator `event_recency`: how long ago somebody first or last did something."""

from datetime import timedelta

import pytest
from django.utils.translation import override

from cdp.rules.clock import candidates
from cdp.rules.describe import describe_rule
from cdp.rules.errors import Problem, RuleError
from cdp.rules.parse import parse_rule
from cdp.rules.scope import Scope
from profiles.masking import MASK, mask_rule
from profiles.models import Profile
from tests.factories.cdp import UserFactory
from tests.factories.profiles import EventDefinitionFactory, EventFactory, ProfileFactory
from tests.matching import matching, where_of

pytestmark = pytest.mark.django_db

TICK, DAY = timedelta(microseconds=1), timedelta(days=1)
GIFT = {"key": "gift", "is": "eq", "value": True}


def recency(which, word, days=30, **params):
    return {"op": "event_recency", "name": "Buy", "which": which, "is": word, "days": days, **params}


@pytest.fixture
def buy():
    return EventDefinitionFactory(name="Buy")


@pytest.fixture
def did(buy):
    """A function that makes somebody who did it at those moments; returns their id."""

    def make(*moments, **properties):
        person = ProfileFactory()
        for at in moments:
            EventFactory(definition=buy, profile=person, occurred_at=at, properties=properties)
        return person.pk

    return make


def test_first_and_last_within_and_before(did, now):
    old, both, fresh, nothing = did(now - 40 * DAY), did(now - 40 * DAY, now - DAY), did(now - DAY), did()

    assert matching(recency("first", "within"), now) == {fresh}
    assert matching(recency("first", "before"), now) == {old, both}
    assert matching(recency("last", "within"), now) == {both, fresh}
    assert matching(recency("last", "before"), now) == {old}
    assert matching({"not": recency("last", "before")}, now) == {both, fresh, nothing}
    assert matching(recency("last", "within"), now, Scope([old, fresh])) == {fresh}


def test_the_edge_lies_before_and_what_comes_does_not_count(did, now):
    edge = now - 30 * DAY
    on, after, at_once, later = did(edge), did(edge + TICK), did(now), did(now + TICK)

    assert matching(recency("last", "within"), now) == {after, at_once}
    assert matching(recency("last", "before"), now) == {on}
    assert matching(recency("first", "before"), now) == {on}
    assert later not in matching({"any": [recency("first", "within"), recency("first", "before")]}, now)


def test_only_events_that_meet_the_conditions_count(did, now):
    gift, plain = did(now - DAY, gift=True), did(now - DAY, gift=False)

    assert matching(recency("last", "within", where=[GIFT]), now) == {gift}
    assert matching({"not": recency("last", "within", where=[GIFT])}, now) == {plain}


def test_a_name_that_nobody_sent_matches_neither(now):
    nobody = ProfileFactory().pk

    assert matching(recency("last", "before", name="Never"), now) == set()
    assert matching({"not": recency("first", "within", name="Never")}, now) == {nobody}


def test_sql(buy, now):
    exists = (
        "EXISTS(SELECT 1 AS a FROM profiles_event U0 "
        "WHERE (U0.definition_id IN ({}) AND U0.profile_id = (id) AND {}) LIMIT 1)"
    )
    edge = "'2026-05-16 04:00:00+00:00'::timestamptz"
    is_within = exists.format(
        buy.pk, f"U0.occurred_at > {edge} AND U0.occurred_at <= '2026-06-15 04:00:00+00:00'::timestamptz"
    )
    is_before = exists.format(buy.pk, f"U0.occurred_at <= {edge}")

    assert where_of(recency("last", "within"), now) == is_within
    assert where_of(recency("last", "before"), now) == f"({is_before} AND NOT ({is_within}))"
    assert where_of(recency("first", "within"), now) == f"({is_within} AND NOT ({is_before}))"
    assert where_of(recency("first", "before"), now) == is_before


def test_the_clock_finds_whose_event_becomes_older_than_the_days(did, now):
    edge = now - 30 * DAY
    did(edge), did(edge + DAY + TICK)
    ageing = {did(edge + TICK), did(edge + DAY, now)}
    (found,) = candidates(parse_rule(recency("last", "before")), after=now, until=now + DAY)

    assert set(Profile.objects.filter(found).values_list("pk", flat=True)) == ageing


@pytest.mark.parametrize(
    ("params", "path", "message"),
    [
        ({"which": "any"}, "which", "must be one of: first, last"),
        ({"is": "since"}, "is", "must be one of: within, before"),
        ({"days": 0}, "days", "must be a whole number from 1 to 36500"),
        ({"name": []}, "name", "must not be empty"),
        ({"value": 5}, "value", "unknown key; known: op, name, where, which, is, days"),
        ({"where": [{"key": "gift", "is": "eq"}]}, "where[0].value", "is required"),
    ],
)
def test_what_is_wrong(params, path, message):
    with pytest.raises(RuleError) as refused:
        parse_rule(recency("first", "within") | params)

    assert refused.value.problems == [Problem(path, message)]


@pytest.mark.parametrize(
    ("rule", "english", "chinese"),
    [
        (
            recency("first", "within", days=1),
            "did “Buy” for the first time in the last 1 day",
            "首次“Buy”发生在最近 1 天内",
        ),
        (
            recency("first", "before"),
            "did “Buy” for the first time at least 30 days ago",
            "首次“Buy”发生在 30 天前或更早",
        ),
        (
            recency("last", "within", name=["Buy", "Refund"]),
            "did “Buy” or “Refund” for the last time in the last 30 days",
            "最近一次“Buy”或“Refund”发生在最近 30 天内",
        ),
        (
            recency("last", "before", where=[GIFT]),
            "did “Buy” (where gift: yes) for the last time at least 30 days ago",
            "最近一次“Buy”（其中gift：是）发生在 30 天前或更早",
        ),
    ],
)
def test_the_sentence(rule, english, chinese):
    assert describe_rule(parse_rule(rule)) == english
    with override("zh-hans"):
        assert describe_rule(parse_rule(rule)) == chinese


def test_topics_and_masking():
    rule = recency("last", "within", name=["Buy", "Refund"], where=[{"key": "email", "is": "eq", "value": "a@b.com"}])
    viewer = UserFactory(role="viewer")

    assert parse_rule(rule).topics() == {"event:Buy", "event:Refund"}
    assert mask_rule(rule, viewer)["where"] == [{"key": "email", "is": "eq", "value": MASK}]
    assert describe_rule(parse_rule(rule), cover=lambda condition: MASK) == (
        "did “Buy” or “Refund” (where email is •••) for the last time in the last 30 days"
    )
