"""Explaining a rule for one person: the same answers as the compiled rule, and a few queries whatever its size."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cdp.rules.ast import All, AnyOf, NotIt
from cdp.rules.explain import Judged, explain_rules, judge_rules
from cdp.rules.parse import parse_rule
from profiles.models import Profile
from profiles.operators.sequence import STEP_FOUND, Sequence
from tests.factories.profiles import EventDefinitionFactory, EventFactory, ProfileFactory
from tests.matching import matching
from tests.oracles import Person, holds
from tests.strategies import NOWS, TYPES, people, rules
from tests.world import World, declare_probe

pytestmark = pytest.mark.django_db


def explained(rule: Any, profile_id: int, now: datetime) -> Judged:
    (judged,) = explain_rules([parse_rule(rule)], Profile.objects.current(), profile_id=profile_id, now=now)
    return judged


def nodes_of(judged: Judged) -> list[Judged]:
    return [judged, *(inner for child in judged.children for inner in nodes_of(child))]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    declare_probe(monkeypatch)
    return World()


@st.composite
def cases(draw: st.DrawFn) -> tuple[datetime, Person, list[Any]]:
    """A moment, somebody, and rules to explain."""
    now = draw(st.sampled_from(NOWS))
    return now, draw(people(now)), draw(st.lists(rules(now), min_size=1, max_size=6))


@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking goes by the database, and takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(case=cases())
def test_what_is_explained_is_what_the_rule_and_the_oracle_say(world, case):
    now, person, asked = case
    with transaction.atomic():
        pk = world.write(person).pk

        judged = explain_rules([parse_rule(rule) for rule in asked], Profile.objects.all(), profile_id=pk, now=now)

        for rule, root in zip(asked, judged, strict=True):
            assert root.matched == holds(rule, person, TYPES, now) == (matching(rule, now) == {pk}), rule
            for node in nodes_of(root):
                assert_is_its_children(node)
        assert judge_rules([parse_rule(rule) for rule in asked], Profile.objects.all(), profile_id=pk, now=now) == [
            root.matched for root in judged
        ]
        transaction.set_rollback(True)


def assert_is_its_children(judged: Judged) -> None:
    held = [child.matched for child in judged.children]
    match judged.node:
        case All():
            assert judged.matched == all(held)
        case AnyOf():
            assert judged.matched == any(held)
        case NotIt():
            assert [judged.matched] == [not each for each in held]
        case Sequence(steps=steps, then_not=None):
            assert judged.matched == (len([fact for fact in judged.facts if fact.says == STEP_FOUND]) == len(steps))
        case _:
            assert judged.facts
    assert all(fact.text for fact in judged.facts)


def test_a_big_rule_takes_no_more_queries_than_a_small_one(now, django_assert_num_queries):
    buy = EventDefinitionFactory(name="Buy")
    person = ProfileFactory()
    EventFactory(definition=buy, profile=person, occurred_at=now)
    one = [{"op": "event", "name": "Buy"}, {"op": "attribute", "key": "created_at", "is": "set"}]
    one.append({"op": "sequence", "steps": [{"name": "Buy"}, {"name": "Buy"}]})
    small, big = (parse_rule({"all": one * n}) for n in (1, 40))

    for rule in (small, big):
        with django_assert_num_queries(5):  # judged; attributes; events; chains and steps of sequences
            explain_rules([rule, rule], Profile.objects.current(), profile_id=person.pk, now=now)


def test_who_was_merged_away_is_not_judged(now):
    person = ProfileFactory(merged_into=ProfileFactory())

    with pytest.raises(Profile.DoesNotExist):
        explained({"op": "attribute", "key": "is_known", "is": "set"}, person.pk, now)
