"""The operator `event`: its SQL and plans, and the edges of what it counts."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.local_settings import set_local
from cdp.rules.compile import compile_rule
from cdp.rules.describe import describe_rule
from cdp.rules.parse import parse_rule
from cdp.rules.scope import EVERYBODY, Scope
from cdp.rules.sql import DoubleAsNumber
from profiles.models import EventDefinition, Profile
from tests.factories.profiles import EventDefinitionFactory, EventFactory, ProfileFactory
from tests.matching import matching, where_of

pytestmark = pytest.mark.django_db

TICK = timedelta(microseconds=1)


def event(**params):
    return {"op": "event", "name": "Buy", **params}


def at_least(n, **params):
    return event(**params) | {"is": "gte", "value": n}


@pytest.fixture
def buy():
    return EventDefinitionFactory(name="Buy")


def test_existence_is_exists_with_literal_bounds(buy, now):
    assert where_of(event(within={"last_days": 30}), now) == (
        "EXISTS(SELECT 1 AS a FROM profiles_event U0 "
        f"WHERE (U0.definition_id IN ({buy.pk}) "
        "AND U0.occurred_at >= '2026-05-16 04:00:00.000001+00:00'::timestamptz "
        "AND U0.occurred_at < '2026-06-15 04:00:00.000001+00:00'::timestamptz "
        "AND U0.profile_id = (id)) LIMIT 1)"
    )


def test_an_aggregate_is_among_the_groups_that_have_it(buy, now):
    assert where_of(at_least(3), now, Scope([7])) == (
        "((id = ANY('{7}'::bigint[])) AND EXISTS (SELECT 1 FROM (SELECT U0.profile_id AS profile_id "
        "FROM profiles_event U0 "
        f"WHERE ((U0.profile_id = ANY('{{7}}'::bigint[])) AND U0.definition_id IN ({buy.pk}) "
        "AND U0.occurred_at < '2026-06-15 04:00:00.000001+00:00'::timestamptz) "
        "GROUP BY 1 HAVING (COUNT(*) >= 3)) AS found (profile_id) WHERE found.profile_id = id))"
    )


def test_where_no_events_would_match_those_are_left_out_whose_events_do_not(buy, now):
    where = where_of(event(measure={"sum": "$value"}) | {"is": "lt", "value": 10}, now)

    assert where.startswith("NOT (EXISTS (SELECT 1 FROM (SELECT U0.profile_id AS profile_id FROM profiles_event U0 ")
    assert (
        "HAVING NOT (COALESCE(SUM(CASE WHEN abs(U0.value) < 1e11 AND U0.value * 10000 = round(U0.value * 10000) "
        "THEN (U0.value * 10000)::bigint * 0.0001 ELSE (U0.value)::numeric END), 0) < 10)) AS found" in where
    )


def test_a_measure_through_a_list_is_read_where_the_events_are(buy, now):
    rule = event(
        where=[{"key": "products.category", "is": "eq", "value": "shoes"}, {"key": "paid", "is": "eq", "value": True}],
        measure={"sum": "products.price"},
    ) | {"is": "gte", "value": 40}

    assert where_of(rule, now) == (
        "EXISTS (SELECT 1 FROM (SELECT happened.profile_id FROM (SELECT U0.profile_id AS profile_id, "
        f"U0.properties AS properties FROM profiles_event U0 WHERE (U0.definition_id IN ({buy.pk}) "
        "AND CASE WHEN (jsonb_typeof((U0.properties -> 'paid'::text)) = 'boolean') "
        "THEN ((U0.properties -> 'paid'::text) = 'true'::jsonb) ELSE false END "
        "AND U0.occurred_at < '2026-06-15 04:00:00.000001+00:00'::timestamptz)) AS happened (profile_id, properties), "
        "jsonb_array_elements(CASE WHEN (jsonb_typeof((happened.properties -> 'products'::text)) = 'array') "
        "THEN (happened.properties -> 'products'::text) "
        "ELSE jsonb_build_array((happened.properties -> 'products'::text)) END) AS item_0 (value) "
        "WHERE CASE WHEN (jsonb_typeof((item_0.value -> 'category'::text)) = 'string') "
        "THEN (((item_0.value -> 'category'::text) #>> '{}') = 'shoes') ELSE false END "
        "AND (jsonb_typeof((item_0.value -> 'price'::text)) = 'number') GROUP BY happened.profile_id "
        "HAVING (COALESCE(sum(((item_0.value -> 'price'::text))::numeric), 0) >= 40)) AS found (profile_id) "
        "WHERE found.profile_id = id)"
    )


@given(
    values=st.lists(
        st.one_of(
            st.floats(min_value=-1e15, max_value=1e15),
            st.decimals(min_value=-(10**11), max_value=10**11, places=4).map(float),
            st.decimals(min_value=-1000, max_value=1000, places=2).map(lambda price: float(price) * 1.1),
        ),
        max_size=50,
    )
)
@settings(max_examples=20, deadline=None)
def test_values_add_up_as_decimals_of_15_digits(values):
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT value, {DoubleAsNumber.template % {'expressions': 'value'}}, value::numeric "
            "FROM unnest(%s::float8[]) AS value",
            [values],
        )
        found = cursor.fetchall()

    assert [ours for _value, ours, _decimal in found] == [decimal for _value, _ours, decimal in found]


def test_the_window_leaves_out_its_start_and_includes_its_end(buy, now):
    start, end = now - timedelta(days=60), now - timedelta(days=30)
    on = {at: EventFactory(definition=buy, occurred_at=at).profile_id for at in (start, start + TICK, end, end + TICK)}

    assert matching(event(within={"days_ago": [60, 30]}), now) == {on[start + TICK], on[end]}


def test_an_event_from_the_future_never_counts(buy, now):
    present = EventFactory(definition=buy, occurred_at=now).profile_id
    EventFactory(definition=buy, occurred_at=now + TICK)

    assert matching(event(), now) == {present}
    assert matching(event(within={"calendar": "this_year"}), now) == {present}


def test_a_name_that_nobody_sent_matches_nobody_and_not_everybody(now):
    person = ProfileFactory()

    assert matching(event(), now) == set()
    assert matching({"not": event()}, now) == {person.pk}
    assert matching(event() | {"is": "lte", "value": 5}, now) == {person.pk}


def test_a_sum_is_exact(buy, now):
    person = ProfileFactory()
    for value in (0.1, 0.2):
        EventFactory(definition=buy, profile=person, occurred_at=now, value=value)

    assert matching(event(measure={"sum": "$value"}) | {"is": "eq", "value": 0.3}, now) == {person.pk}


def test_conditions_on_one_list_hold_for_one_element_and_a_measure_takes_it(buy, now):
    products = [{"category": "shoes", "price": 90}, {"category": "hats", "price": 10}]
    order = EventFactory(definition=buy, occurred_at=now, properties={"products": products})
    shoes = {"key": "products.category", "is": "eq", "value": "shoes"}
    cheap = {"key": "products.price", "is": "lt", "value": 50}

    assert matching(event(where=[shoes]), now) == {order.profile_id}
    assert matching(event(where=[shoes, cheap]), now) == set()
    assert matching(event(where=[shoes], measure={"sum": "products.price"}) | {"is": "eq", "value": 90}, now) == {
        order.profile_id
    }


def test_a_measure_leads_through_lists_in_lists_over_all_events(buy, now):
    person = ProfileFactory()
    for price in (7, 8):
        lines = [{"tea": price, "parts": [{"price": price}, {"price": "1"}]}, {"parts": {"price": 0.5}}, "none"]
        EventFactory(definition=buy, profile=person, occurred_at=now, properties={"lines": lines})
    EventFactory(definition=buy, occurred_at=now, properties={"lines": []})
    for_tea = [{"key": "lines.tea", "is": "set"}]

    def finds(kind, value, where=()):
        rule = event(measure={kind: "lines.parts.price"}, where=list(where)) | {"is": "eq", "value": value}
        return matching(rule, now) == {person.pk}

    assert finds("sum", 16)
    assert finds("sum", 15, for_tea)
    assert finds("avg", 4)
    assert finds("min", 0.5)
    assert finds("distinct", 4)


def test_hours_weekdays_and_days_are_of_the_business_zone(buy, now):
    one_in_the_morning_of_monday = now.replace(hour=17) - timedelta(days=1)
    night = EventFactory(definition=buy, occurred_at=one_in_the_morning_of_monday).profile_id

    assert matching(event(where=[{"key": "$hour", "is": "eq", "value": 1}]), now) == {night}
    assert matching(event(where=[{"key": "$weekday", "is": "eq", "value": 1}]), now) == {night}
    assert matching(event(within={"calendar": "today"}), now) == {night}


AGGREGATES = [
    at_least(3),
    event() | {"is": "lt", "value": 3},
    at_least(100, measure={"sum": "$value"}),
    at_least(100, measure={"sum": "products.price"}),
    {"not": at_least(2)},
]


@pytest.mark.parametrize(
    "rule", [*AGGREGATES, {"any": [AGGREGATES[0], AGGREGATES[1]]}, {"any": [{"not": event()}, AGGREGATES[2]]}]
)
@pytest.mark.parametrize("work_mem", ["4MB", "64kB"])
def test_no_plan_scans_a_list_again_for_every_profile(rule, work_mem, buy, now):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO profiles_profile (public_id, attributes, first_seen_at, created_at) "
            "SELECT gen_random_uuid(), '{}', %s, %s FROM generate_series(1, 5000)",
            [now, now],
        )
        cursor.execute(
            "INSERT INTO profiles_event (occurred_at, definition_id, profile_id, anchor_id, source_id, value) "
            "SELECT %s - n * interval '1 day', %s, p.id, 0, 0, n FROM profiles_profile p, generate_series(1, 6) n",
            [now, buy.pk],
        )
        cursor.execute("ANALYZE profiles_profile, profiles_event")
    found = Profile.objects.filter(compile_rule(parse_rule(rule), scope=EVERYBODY, now=now)).values("pk")

    with transaction.atomic():
        set_local(work_mem=work_mem, hash_mem_multiplier="1")
        plan = found.explain()

    assert "Materialize" not in plan


def test_partitions_outside_the_window_are_not_read(buy, now):
    rule = parse_rule(at_least(3, within={"last_days": 30}))

    plan = Profile.objects.filter(compile_rule(rule, scope=EVERYBODY, now=now)).explain()

    assert "profiles_event_2026" in plan
    assert "profiles_event_2025" not in plan


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (event(), "did “Buy”"),
        (event(within={"last_days": 1}), "did “Buy” in the last 1 day"),
        (event() | {"is": "eq", "value": 0}, "never did “Buy”"),
        (at_least(3, within={"calendar": "last_month"}), "the number of “Buy” last month is at least 3"),
        (
            at_least(100, name=["Buy", "Refund"], measure={"sum": "$value"}, within={"since": "2026-01-01"}),
            "the sum of value over “Buy” or “Refund” since 2026-01-01 is at least 100",
        ),
        (
            event(where=[{"key": "products.category", "is": "in", "value": ["a", "b"]}, {"key": "gift", "is": "set"}]),
            "did “Buy” (where products.category is one of “a”, “b” and gift is known)",
        ),
    ],
)
def test_the_sentence(rule, sentence):
    assert describe_rule(parse_rule(rule)) == sentence


def test_topics_name_every_event():
    assert parse_rule(event(name=["Buy", "Never sent"])).topics() == {"event:Buy", "event:Never sent"}
    assert not EventDefinition.objects.filter(name="Never sent").exists()
