"""The clock of rules: who answers otherwise as time passes is among the candidates."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cdp.rules.clock import candidates
from cdp.rules.days import Days, anniversaries, next_days
from cdp.rules.parse import parse_rule
from cdp.rules.slab import days_of_years, month_days, turned
from profiles.models import Profile
from tests.matching import matching
from tests.oracles import Person
from tests.strategies import NOWS, NOWS_OF_NEW_YORK, STEPS, crowds, rules, stored, timed_rules
from tests.world import World, declare_probe

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    declare_probe(monkeypatch)
    return World()


@st.composite
def cases(draw: st.DrawFn, nows: list[datetime]) -> tuple[datetime, datetime, list[Person], list[Any]]:
    """Two moments, some people, and rules to ask of them."""
    now = draw(st.sampled_from(nows))
    persons = draw(crowds(now, most=6))
    if draw(st.booleans()):
        for person in persons:
            settle(person, now)
    asked = st.lists(st.one_of(timed_rules(now), timed_rules(now), rules(now)), min_size=5, max_size=25)
    return now, now + draw(st.sampled_from(STEPS)), persons, draw(asked)


def mirrored(at: datetime, now: datetime) -> datetime:
    """As far on the other side of now."""
    return now - (at - now)


def settle(person: Person, now: datetime) -> None:
    """All that was still to come of them lies as far back instead."""
    for event in person.events:
        event["occurred_at"] = min(event["occurred_at"], mirrored(event["occurred_at"], now))
    seen = (min(at, mirrored(at, now)) for at in (person.first_seen_at, person.last_seen_at))
    person.first_seen_at, person.last_seen_at = sorted(seen)
    person.created_at = min(person.created_at, mirrored(person.created_at, now))


def topics_due(person: Person, after: datetime, until: datetime) -> set[str]:
    """Of the rows of theirs that come due on the queue meanwhile."""
    moments = [(f"event:{event['name']}", event["occurred_at"]) for event in person.events]
    moments += [(f"attribute:{key}", getattr(person, key)) for key in ("created_at", "first_seen_at", "last_seen_at")]
    return {topic for topic, at in moments if after < at <= until}


def found_by_clock(rule: Any, after: datetime, until: datetime) -> set[int]:
    asked = candidates(parse_rule(rule), after=after, until=until)
    return {pk for condition in asked for pk in Profile.objects.filter(condition).values_list("pk", flat=True)}


def check(world: World, case: tuple[datetime, datetime, list[Person], list[Any]]) -> None:
    after, until, persons, asked = case
    with transaction.atomic():
        found = {world.write(person).pk: person for person in persons}
        due = {pk: topics_due(person, after, until) for pk, person in found.items()}

        for rule in asked:
            topics = parse_rule(rule).topics()
            on_queue = {pk for pk in found if due[pk] & topics}
            moved = matching(rule, after) ^ matching(rule, until)
            assert moved - on_queue <= found_by_clock(rule, after, until), rule

        transaction.set_rollback(True)


LAW = settings(
    max_examples=30,  # 300 were run when this was written
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking goes by the database, and takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@LAW
@given(case=cases(NOWS))
def test_whoever_answers_otherwise_by_time_alone_is_a_candidate(world, case):
    check(world, case)


@settings(LAW, max_examples=15)
@given(case=cases([*NOWS_OF_NEW_YORK, *NOWS]))
def test_so_it_is_where_clocks_are_put_forward_and_back(world, case):
    with override_settings(TIME_ZONE="America/New_York"):
        check(world, case)


days = st.dates(date(2023, 1, 1), date(2029, 12, 31))


def ranges_between(edges: set[int], is_open: tuple[bool, bool]) -> list[Days]:
    """Ranges in order and apart, of which the outer ones may be without end."""
    ordered = sorted(edges)
    ranges = [
        Days(date.fromordinal(a), date.fromordinal(b - 1)) for a, b in zip(ordered[::2], ordered[1::2], strict=False)
    ]
    if ranges and is_open[0]:
        ranges[0] = Days(None, ranges[0].last)
    if ranges and is_open[1]:
        ranges[-1] = Days(ranges[-1].first, None)
    return ranges


sets_of_days = st.builds(
    ranges_between, st.sets(st.integers(739_000, 739_030), max_size=6), st.tuples(st.booleans(), st.booleans())
)


def holds(day: date, ranges: Any) -> bool:
    return any((first is None or first <= day) and (last is None or day <= last) for first, last in ranges)


@given(before=sets_of_days, now=sets_of_days)
def test_the_days_that_turned_are_those_of_one_set_alone(before, now):
    for ordinal in range(738_990, 739_040):
        day = date.fromordinal(ordinal)
        assert holds(day, turned(before, now)) == (holds(day, before) != holds(day, now))


@given(today=days, n=st.integers(1, 366), born=st.dates(date(1990, 1, 1), date(2023, 12, 31)))
def test_month_days_say_what_the_ranges_of_anniversaries_say(today, n, born):
    asked = next_days(n, today)

    assert holds(born, anniversaries(asked)) == (born.month * 100 + born.day in month_days(asked))
    assert holds(born, days_of_years(month_days(asked), range(1990, 2024))) == holds(born, anniversaries(asked))


BUY = {"op": "event", "name": "Buy"}
EVENT: dict[str, Any] = {"name": "Buy", "value": None, "properties": {}}
MET = {"op": "attribute", "key": "met_at"}
BORN = {"op": "attribute", "key": "birthday"}
MOMENT = datetime(2026, 6, 15, 4, tzinfo=UTC)
MIDNIGHT = datetime(2027, 2, 21, 16, tzinfo=UTC)  # 22 February 2027 begins in Shanghai


def did(at: datetime) -> Person:
    return Person(events=[{**EVENT, "occurred_at": at}])


def ago(**length: int) -> datetime:
    return MOMENT - timedelta(**length)


@pytest.mark.parametrize(
    ("rule", "person", "at"),
    [
        (BUY | {"within": {"last_days": 7}}, did(ago(days=7)), MOMENT),
        (BUY | {"within": {"last_hours": 3}}, did(ago(hours=3)), MOMENT),
        (BUY | {"within": {"days_ago": [60, 30]}}, did(ago(days=60)), MOMENT),
        (BUY | {"within": {"days_ago": [60, 30]}}, did(ago(days=30)), MOMENT),
        (BUY | {"within": {"calendar": "this_month"}}, did(ago(days=1)), datetime(2026, 6, 30, 16, tzinfo=UTC)),
        (BUY | {"within": {"calendar": "last_month"}}, did(ago(days=1)), datetime(2026, 6, 30, 16, tzinfo=UTC)),
        ({"op": "tag", "key": "plain"}, Person(tags={"plain": (None, MOMENT)}), MOMENT),
        ({"op": "segment", "key": "loyal", "for_days": 7}, Person(segments={"loyal": ago(days=7)}), MOMENT),
        (MET | {"is": "in_last", "value": {"days": 7}}, Person(attributes={"met_at": stored(ago(days=7))}), MOMENT),
        (MET | {"is": "in_last", "value": {"days": 7}}, Person(attributes={"met_at": stored(MOMENT)}), MOMENT),
        (MET | {"is": "in_next", "value": {"hours": 2}}, Person(attributes={"met_at": stored(ago(hours=-2))}), MOMENT),
        (MET | {"is": "in_next", "value": {"hours": 2}}, Person(attributes={"met_at": stored(MOMENT)}), MOMENT),
        (BORN | {"is": "in_last", "value": {"days": 2}}, Person(attributes={"birthday": "2027-02-20"}), MIDNIGHT),
        (BORN | {"is": "in_next", "value": {"days": 2}}, Person(attributes={"birthday": "2027-02-23"}), MIDNIGHT),
        (BORN | {"is": "years_between", "value": [0, 26]}, Person(attributes={"birthday": "2000-02-22"}), MIDNIGHT),
        (
            BORN | {"is": "anniversary_in_next", "value": {"days": 7}},
            Person(attributes={"birthday": "2000-02-29"}),
            MIDNIGHT,
        ),
        (
            BORN | {"is": "anniversary_in_next", "value": {"days": 7}},
            Person(attributes={"birthday": "2000-02-21"}),
            MIDNIGHT,
        ),
        (
            {"op": "attribute", "key": "created_at", "is": "in_last", "value": {"days": 7}},
            Person(created_at=ago(days=7)),
            MOMENT,
        ),
    ],
)
def test_somebody_is_a_candidate_at_the_instant_when_the_answer_turns_and_at_no_other(world, rule, person, at):
    pk = world.write(person).pk
    tick, hour = timedelta(microseconds=1), timedelta(hours=1)

    assert (pk in matching(rule, at - tick)) != (pk in matching(rule, at))
    assert found_by_clock(rule, at - tick, at) == {pk}
    assert found_by_clock(rule, at - hour, at) == found_by_clock(rule, at - tick, at + hour) == {pk}
    assert found_by_clock(rule, at - hour, at - tick) == found_by_clock(rule, at, at + hour) == set()


def test_a_rule_of_which_time_changes_nothing_has_no_candidates(world, now):
    rule = {
        "all": [
            {"op": "attribute", "key": "city", "is": "eq", "value": "Oslo"},
            {"op": "attribute", "key": "birthday", "is": "before", "value": "2000-01-01"},
            {"op": "event", "name": "Buy", "within": {"since": "2026-01-01"}},
            {"op": "segment", "key": "loyal"},
            {"op": "score", "model": "probe", "field": "level", "is": "gt", "value": 1},
        ]
    }

    assert candidates(parse_rule(rule), after=now, until=now + timedelta(days=400)) == []


def test_within_a_business_day_no_date_turns(world, now):
    rule = {"op": "attribute", "key": "birthday", "is": "anniversary_in_next", "value": {"days": 7}}

    assert candidates(parse_rule(rule), after=now, until=now + timedelta(hours=11)) == []
    assert len(candidates(parse_rule(rule), after=now, until=now + timedelta(hours=12))) == 1
