"""The operator `sequence`: what somebody did one after the other, and then did not."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils.translation import override

from cdp.local_settings import set_local
from cdp.rules.clock import candidates
from cdp.rules.compile import compile_rule
from cdp.rules.describe import describe_rule
from cdp.rules.errors import Problem, RuleError
from cdp.rules.parse import MAX_CONDITIONS, parse_rule
from cdp.rules.scope import EVERYBODY, Scope
from profiles.masking import MASK, mask_rule
from profiles.models import Profile
from tests.factories.cdp import UserFactory
from tests.factories.profiles import EventDefinitionFactory, EventFactory, ProfileFactory
from tests.matching import matching, where_of

pytestmark = pytest.mark.django_db

TICK, HOUR, DAY = timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1)
CHEAP = {"key": "total", "is": "lt", "value": 50}


def sequence(*names, **params):
    steps = [name if isinstance(name, dict) else {"name": name} for name in names]
    return {"op": "sequence", "steps": steps, **params}


@pytest.fixture
def definitions():
    return {name: EventDefinitionFactory(name=name) for name in ("View", "Cart", "Buy", "Refund")}


@pytest.fixture
def did(definitions, now):
    """A function that makes somebody who did things, so long before now each; returns their id."""

    def make(*happened, **properties):
        person = ProfileFactory()
        for name, ago in happened:
            EventFactory(
                definition=definitions[name], profile=person, occurred_at=now - ago, properties=properties.get(name, {})
            )
        return person.pk

    return make


def test_steps_are_strictly_later_and_others_may_lie_between(did, now):
    in_order = did(("View", 3 * DAY), ("Refund", 2 * DAY), ("Cart", 2 * DAY), ("Buy", DAY))
    turned = did(("Buy", 3 * DAY), ("Cart", 2 * DAY), ("View", DAY))
    at_once = did(("View", DAY), ("Cart", DAY), ("Buy", DAY))
    not_all = did(("View", 3 * DAY), ("Cart", 2 * DAY))
    rule = sequence("View", "Cart", "Buy")

    assert matching(rule, now) == {in_order}
    assert matching({"not": rule}, now) == {turned, at_once, not_all}
    assert matching(rule, now, Scope([turned, not_all])) == set()


def test_a_step_may_be_another_event_of_the_same_name(did, now):
    twice = did(("Buy", 2 * DAY), ("Buy", DAY))
    did(("Buy", DAY))
    did(("Buy", DAY), ("Buy", DAY))

    assert matching(sequence("Buy", "Buy"), now) == {twice}


def test_a_gap_is_between_neighbours_and_may_be_used_up(did, now):
    exact = did(("View", 4 * DAY), ("Cart", 2 * DAY), ("Buy", timedelta(0)))
    did(("View", 4 * DAY + TICK), ("Cart", 2 * DAY), ("Buy", timedelta(0)))
    rule = sequence("View", "Cart", "Buy", gap={"days": 2})

    assert matching(rule, now) == {exact}
    assert matching(sequence("View", "Cart", "Buy", gap={"hours": 47}), now) == set()


def test_any_choice_of_events_that_fits_will_do(did, now):
    """The first look is too early for the gap, and the last comes at the time of the order: the one between fits."""
    fits = did(("View", 9 * DAY), ("View", 2 * DAY), ("View", DAY), ("Buy", DAY), ("Refund", timedelta(0)))

    assert matching(sequence("View", "Buy", "Refund", gap={"days": 1}), now) == {fits}
    assert matching(sequence("View", "Buy", "Refund", gap={"hours": 23}), now) == set()


def test_the_window_holds_for_every_step(did, now):
    inside = did(("View", 7 * DAY - TICK), ("Buy", DAY))
    did(("View", 7 * DAY), ("Buy", DAY))
    did(("View", DAY), ("Buy", -TICK))

    assert matching(sequence("View", "Buy", within={"last_days": 7}), now) == {inside}


def test_nothing_of_a_kind_followed_for_as_long_as_the_gap(did, now):
    rule = sequence("View", "Cart", gap={"days": 2}, then_not={"name": "Buy"})
    left = did(("View", 3 * DAY), ("Cart", 2 * DAY))
    bought_later = did(("View", 9 * DAY), ("Cart", 8 * DAY), ("Buy", 6 * DAY - TICK))
    bought_before = did(("View", 9 * DAY), ("Buy", 8 * DAY), ("Cart", 8 * DAY))
    tried_twice = did(("View", 9 * DAY), ("Cart", 8 * DAY), ("Buy", 7 * DAY), ("View", 4 * DAY), ("Cart", 3 * DAY))
    bought = did(("View", 9 * DAY), ("Cart", 8 * DAY), ("Buy", 6 * DAY))
    not_over = did(("View", 3 * DAY), ("Cart", 2 * DAY - TICK))

    assert matching(rule, now) == {left, bought_later, bought_before, tried_twice}
    assert matching({"not": rule}, now) == {bought, not_over}


def test_the_window_does_not_hold_for_what_must_not_follow(did, now):
    rule = sequence("View", "Cart", gap={"days": 2}, then_not={"name": "Buy"}, within={"days_ago": [30, 10]})
    did(("View", 12 * DAY), ("Cart", 10 * DAY), ("Buy", 9 * DAY))
    left = did(("View", 12 * DAY), ("Cart", 10 * DAY), ("Buy", 8 * DAY - TICK))

    assert matching(rule, now) == {left}


def test_what_was_never_sent(did, now):
    left = did(("View", 3 * DAY), ("Cart", 2 * DAY))
    not_over = did(("View", DAY), ("Cart", HOUR))

    assert matching(sequence("View", "Never"), now) == set()
    assert matching(sequence("View", "Cart", gap={"days": 2}, then_not={"name": "Never"}), now) == {left}
    assert matching({"not": sequence("View", "Never")}, now) == {left, not_over}


def test_conditions_choose_the_events_of_a_step(did, now):
    cheap = did(("View", 2 * DAY), ("Buy", DAY), Buy={"total": 10})
    dear = did(("View", 2 * DAY), ("Buy", DAY), Buy={"total": 90})
    rule = sequence("View", {"name": "Buy", "where": [CHEAP]})

    assert matching(rule, now) == {cheap}
    assert matching({"not": rule}, now) == {dear}
    then_not = {"name": "Buy", "where": [CHEAP]}
    assert matching(sequence("View", "View", gap={"days": 1}, then_not=then_not), now) == set()


def test_sql(definitions, now):
    view, buy = definitions["View"].pk, definitions["Buy"].pk
    until = "PARTITION BY profile_id ORDER BY occurred_at ROWS UNBOUNDED PRECEDING"

    assert where_of(sequence("View", "Buy"), now, Scope([7])) == (
        "((id = ANY('{7}'::bigint[])) AND EXISTS (SELECT 1 FROM (SELECT profile_id FROM ("
        "SELECT profile_id, occurred_at, "
        f"(step_1 AND coalesce(min(occurred_at) FILTER (WHERE reached) OVER ({until}) < occurred_at, false)) "
        "AS reached "
        "FROM (SELECT profile_id, occurred_at, step_0 AS reached, step_1 FROM ("
        "SELECT U0.profile_id AS profile_id, U0.occurred_at AS occurred_at, "
        f"(U0.definition_id IN ({view})) AS step_0, (U0.definition_id IN ({buy})) AS step_1 "
        "FROM profiles_event U0 WHERE ((U0.profile_id = ANY('{7}'::bigint[])) "
        "AND U0.occurred_at < '2026-06-15 04:00:00.000001+00:00'::timestamptz "
        f"AND U0.definition_id IN ({view}, {buy}))"
        ") AS happened (profile_id, occurred_at, step_0, step_1)) AS step_1_rows"
        ") AS last_step WHERE reached) AS found WHERE found.profile_id = id))"
    )


def test_sql_with_a_gap_and_what_must_not_follow(definitions, now):
    where = where_of(sequence("View", "Cart", gap={"days": 7}, then_not={"name": "Buy"}), now)

    before = "PARTITION BY profile_id ORDER BY occurred_at GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
    after = before.replace("occurred_at", "occurred_at DESC")
    last = f"max(occurred_at) FILTER (WHERE reached) OVER ({before})"
    assert f"(step_1 AND coalesce({last} >= occurred_at - interval '168 hours', false)) AS reached, then_not" in where
    assert f"min(occurred_at) FILTER (WHERE then_not) OVER ({after}) AS next_not" in where
    assert "WHERE reached AND coalesce(next_not > occurred_at + interval '168 hours', true)) AS found" in where
    # A last step may lie until a gap ago, and what follows it until now.
    assert "AND U0.occurred_at < '2026-06-08 04:00:00.000001+00:00'::timestamptz) AS step_1" in where
    assert "WHERE (U0.occurred_at < '2026-06-15 04:00:00.000001+00:00'::timestamptz AND U0.definition_id IN" in where


def test_properties_are_read_where_the_events_are_and_not_sorted_with_them(definitions, now):
    where = where_of(sequence("View", {"name": "Buy", "where": [CHEAP]}), now)

    assert where.count("profiles_event") == 2
    assert where.count("U0.properties -> 'total'") == 2  # is it a number, and which
    assert "(true) AS step_0, (false) AS step_1" in where
    assert "(false) AS step_0, (true) AS step_1" in where


PLANS = [
    sequence("View", "Cart", "Buy"),
    sequence("View", "Cart", gap={"days": 2}, then_not={"name": "Buy"}),
    {"not": sequence("View", {"name": "Buy", "where": [CHEAP]})},
    {"any": [sequence("View", "Cart"), sequence("Cart", "Buy", within={"last_days": 30})]},
]


@pytest.mark.parametrize("rule", PLANS)
@pytest.mark.parametrize("work_mem", ["4MB", "64kB"])
def test_no_plan_scans_a_list_again_for_every_profile_and_each_sorts_once(rule, work_mem, definitions, now):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO profiles_profile (public_id, attributes, first_seen_at, created_at) "
            "SELECT gen_random_uuid(), '{}', %s, %s FROM generate_series(1, 5000)",
            [now, now],
        )
        cursor.execute(
            "INSERT INTO profiles_event (occurred_at, definition_id, profile_id, anchor_id, source_id) "
            "SELECT %s - n * interval '1 day', (%s::int[])[1 + n %% 3], p.id, 0, 0 "
            "FROM profiles_profile p, generate_series(1, 6) n",
            [now, [definitions[name].pk for name in ("View", "Cart", "Buy")]],
        )
        cursor.execute("ANALYZE profiles_profile, profiles_event")
    found = Profile.objects.filter(compile_rule(parse_rule(rule), scope=EVERYBODY, now=now)).values("pk")

    with transaction.atomic():
        set_local(work_mem=work_mem, hash_mem_multiplier="1")
        plan = found.explain()

    assert "Materialize" not in plan


def test_the_clock_finds_steps_at_the_edges_and_waits_that_are_over(did, now):
    edge = did(("View", 7 * DAY - TICK), ("Cart", 6 * DAY))
    over = did(("View", 3 * DAY), ("Cart", 2 * DAY - HOUR))
    did(("View", 5 * DAY), ("Cart", 4 * DAY), ("Buy", 2 * DAY - HOUR))
    rule = sequence("View", "Cart", gap={"days": 2}, then_not={"name": "Buy"}, within={"last_days": 7})

    (found,) = candidates(parse_rule(rule), after=now, until=now + 2 * HOUR)

    assert set(Profile.objects.filter(found).values_list("pk", flat=True)) == {edge, over}
    assert candidates(parse_rule(sequence("View", "Cart")), after=now, until=now + 400 * DAY) == []


@pytest.mark.parametrize(
    ("rule", "path", "message"),
    [
        (sequence("View"), "steps", "must have 2 to 8 entries"),
        (sequence(*["View"] * 9), "steps", "must have 2 to 8 entries"),
        (sequence(), "steps", "must not be empty"),
        (sequence("View", {"where": []}), "steps[1].name", "is required"),
        (sequence("View", {"name": "Buy", "within": {}}), "steps[1].within", "unknown key; known: name, where"),
        (
            sequence("View", {"name": "Buy", "where": [{"key": "total", "is": "lt"}]}),
            "steps[1].where[0].value",
            "is required",
        ),
        (sequence("View", "Buy", gap={"weeks": 1}), "gap.weeks", "unknown key; known: days, hours"),
        (
            sequence("View", "Buy", then_not={"name": "Refund"}),
            "gap",
            "is required with then_not, which holds for so long",
        ),
    ],
)
def test_what_is_wrong(rule, path, message):
    with pytest.raises(RuleError) as refused:
        parse_rule(rule)

    assert refused.value.problems == [Problem(path, message)]


def test_steps_and_their_conditions_count_as_conditions():
    step = {"name": "Buy", "where": [CHEAP] * 49}

    with pytest.raises(RuleError) as refused:
        parse_rule(sequence(step, step, step, step))

    assert refused.value.problems == [Problem("", f"a rule has at most {MAX_CONDITIONS} conditions")]


@pytest.mark.parametrize(
    ("rule", "english", "chinese"),
    [
        (sequence("View", "Buy"), "did “View”, then “Buy”", "依次发生“View”、“Buy”"),
        (
            sequence("View", {"name": ["Cart", "Wish"], "where": [CHEAP]}, gap={"hours": 2}),
            "did “View”, then “Cart” or “Wish” (where total is less than 50), "
            "each at most 2 hours after the one before",
            "依次发生“View”、“Cart”或“Wish”（其中total小于 50），相邻间隔不超过 2 小时",
        ),
        (
            sequence("View", "Cart", gap={"days": 7}, within={"last_days": 90}, then_not={"name": "Buy"}),
            "did “View”, then “Cart”, each at most 7 days after the one before, all in the last 90 days, "
            "and then not “Buy” within 7 days",
            "最近 90 天内依次发生“View”、“Cart”，相邻间隔不超过 7 天，且此后 7 天内没有发生“Buy”",
        ),
        (
            sequence("View", "Buy", within={"calendar": "last_month"}),
            "did “View”, then “Buy”, all last month",
            "上月依次发生“View”、“Buy”",
        ),
    ],
)
def test_the_sentence(rule, english, chinese):
    assert describe_rule(parse_rule(rule)) == english
    with override("zh-hans"):
        assert describe_rule(parse_rule(rule)) == chinese


def test_topics_and_masking():
    mail = {"key": "email", "is": "eq", "value": "a@b.com"}
    rule = sequence(
        {"name": "View", "where": [mail]}, "Cart", gap={"days": 1}, then_not={"name": ["Buy", "Wish"], "where": [mail]}
    )
    masked = mask_rule(rule, UserFactory(role="viewer"))

    assert parse_rule(rule).topics() == {"event:View", "event:Cart", "event:Buy", "event:Wish"}
    assert masked["steps"][0]["where"] == masked["then_not"]["where"] == [mail | {"value": MASK}]
    assert describe_rule(parse_rule(rule), cover=lambda condition: MASK) == (
        "did “View” (where email is •••), then “Cart”, each at most 1 day after the one before, "
        "and then not “Buy” or “Wish” (where email is •••) within 1 day"
    )
