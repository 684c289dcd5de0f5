"""Laws of the rule language, for random people, rules and moments."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cdp.rules.describe import describe_rule
from cdp.rules.parse import parse_rule
from cdp.rules.scope import Scope
from tests.matching import matching
from tests.oracles import Person, holds
from tests.strategies import NOWS, TYPES, crowds, rules
from tests.world import World, declare_probe

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    declare_probe(monkeypatch)
    return World()


@st.composite
def cases(draw: st.DrawFn) -> tuple[datetime, list[Person], list[Any]]:
    """A moment, some people, and rules to ask of them."""
    now = draw(st.sampled_from(NOWS))
    return now, draw(crowds(now)), draw(st.lists(rules(now), min_size=1, max_size=6))


@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking goes by the database, and takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(case=cases())
def test_sql_agrees_with_the_oracle_not_is_the_complement_and_scope_only_narrows(world, case):
    now, persons, asked = case
    with transaction.atomic():
        found = {world.write(person).pk: person for person in persons}
        some = sorted(found)[::2]

        for rule in asked:
            expected = {pk for pk, person in found.items() if holds(rule, person, TYPES, now)}

            assert matching(rule, now) == expected, rule
            assert matching({"not": rule}, now) == found.keys() - expected, rule
            assert matching(rule, now, Scope(some)) == expected & set(some), rule
            assert describe_rule(parse_rule(rule))

        transaction.set_rollback(True)
