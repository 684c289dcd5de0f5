"""A statement that moves along with now is the one that is compiled anew at any other moment."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Json, Jsonb

from cdp.rules.errors import RuleError
from cdp.rules.moving import Moving, Template, Uses, plain
from cdp.rules.parse import parse_rule
from cdp.rules.scope import Scope
from profiles.refresh.engine import difference_statement
from segments.holders import SegmentHolder
from tests.strategies import NOWS, STEPS, rules
from tests.world import World, declare_probe

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 6, 15, 4, tzinfo=UTC)


def test_sums_and_their_order_are_not_noted():
    now = Moving.of(NOON, uses := Uses())

    earlier = now - timedelta(days=30) + timedelta(microseconds=1)

    assert min(earlier, now) is earlier
    assert (now - earlier, earlier == now, now > earlier) == (timedelta(days=30, microseconds=-1), False, True)
    assert (earlier.away, plain(earlier)) == (timedelta(microseconds=1, days=-30), NOON + earlier.away)
    assert not uses.is_read


@pytest.mark.parametrize(
    "read",
    [
        lambda now: now.isoformat(), str, repr, copy.deepcopy, lambda now: now.year, lambda now: now.astimezone(UTC),
        lambda now: now.date(), lambda now: f"{now:%d}", lambda now: now < NOON, lambda now: min(now, NOON),
        lambda now: now - NOON, lambda now: NOON - now, lambda now: now == NOON, lambda now: now.replace(hour=1),
    ],
)  # fmt: skip
def test_all_else_is_noted(read):
    now = Moving.of(NOON, uses := Uses())

    read(now)

    assert uses.is_read


@pytest.fixture
def world(monkeypatch):
    declare_probe(monkeypatch)
    return World()


@settings(
    max_examples=40,  # 3,000 were run when this was written; one takes some milliseconds
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_moved_statement_is_the_one_compiled_anew(world, data):
    now = data.draw(st.sampled_from(NOWS))
    later = now + data.draw(st.one_of(st.sampled_from(STEPS), st.timedeltas(timedelta(days=-400), timedelta(days=400))))
    try:
        rule = parse_rule(data.draw(rules(now)))
    except RuleError:
        return
    holder = SegmentHolder(key="segment:any", label="", pk=7, rule={})
    before, after = Scope((1, 2)), Scope((2, 3, 5))

    moving = difference_statement(holder, [rule], scope=before, now=Moving.of(now, uses := Uses()))
    template = Template.of(moving, scope=before, uses=uses)

    if template is not None:
        anew, params = difference_statement(holder, [rule], scope=after, now=later)
        sql, moved = template.statement(scope=after, now=later)
        assert (sql, comparable(moved)) == (anew, comparable(params))


def comparable(param):
    """JSON parameters are equal to themselves alone."""
    if isinstance(param, Json | Jsonb):
        return comparable(param.obj)
    return [comparable(item) for item in param] if isinstance(param, list | tuple) else param


@pytest.mark.parametrize(
    ("within", "is_kept"),
    [
        (None, True),
        ({"last_days": 30}, True),
        ({"days_ago": [60, 30]}, True),
        ({"last_hours": 5}, True),
        ({"calendar": "this_week"}, False),
        ({"until": "2026-06-30"}, False),
    ],
)
def test_windows_that_move_along_are_kept(world, within, is_kept):
    rule = parse_rule({"op": "event", "name": "Buy", **({"within": within} if within else {})})
    holder = SegmentHolder(key="segment:any", label="", pk=7, rule={})
    scope = Scope((1,))

    moving = difference_statement(holder, [rule], scope=scope, now=Moving.of(NOON, uses := Uses()))

    assert (Template.of(moving, scope=scope, uses=uses) is not None) is is_kept
