"""A rule of the greatest size that is allowed is answered in a time that people wait."""

import re
from datetime import timedelta

import pytest

from cdp.rules.compile import MAX_JOINED, compile_rule
from cdp.rules.errors import Problem, RuleError
from cdp.rules.holders import holder_of
from cdp.rules.parse import parse_rule
from cdp.rules.scope import EVERYBODY, Scope
from cdp.rules.shapes import MAX_ITEMS
from profiles.models import Profile
from profiles.refresh.engine import Asked, differences
from profiles.services.preview import preview_rule
from tests.factories.profiles import AttributeDefinitionFactory, EventFactory, ProfileFactory
from tests.factories.segments import SegmentFactory
from tests.matching import matching, where_of

pytestmark = pytest.mark.django_db
OSLO = {"op": "attribute", "key": "city", "is": "eq", "value": "Oslo"}


@pytest.fixture
def people():
    """Two, whose number and list are the last of those asked for, and one who is not among them."""
    AttributeDefinitionFactory(key="n", type="number")
    AttributeDefinitionFactory(key="likes", type="list")
    inside = {"n": MAX_ITEMS - 1, "likes": [f"t{MAX_ITEMS - 1}", "x"], "city": f"t{MAX_ITEMS - 1}"}
    ProfileFactory.create_batch(2, attributes=inside)
    ProfileFactory(attributes={"n": -1, "likes": ["y"], "city": "z"})


@pytest.mark.parametrize(("key", "word"), [("n", "in"), ("likes", "has_any"), ("city", "in")])
def test_a_list_of_values_may_be_long(key, word, people, now):
    values = list(range(MAX_ITEMS)) if key == "n" else [f"t{n}" for n in range(MAX_ITEMS)]
    condition = {"op": "attribute", "key": key, "is": word, "value": values}

    assert preview_rule({"all": [condition] * 5}, now=now).count == 2
    assert preview_rule({"not": condition}, now=now).count == 1


def test_but_not_without_end():
    rule = {"op": "attribute", "key": "city", "is": "in", "value": ["x"] * (MAX_ITEMS + 1)}

    with pytest.raises(RuleError) as refused:
        parse_rule(rule)

    assert refused.value.problems == [Problem("value", f"must have 1 to {MAX_ITEMS} entries")]


def test_the_widest_rule_is_answered(people, now):
    leaf = {"op": "event", "name": "Buy", "within": {"last_days": 30}, "is": "gte", "value": 2}
    nested = {"any": [leaf] * 200}
    for _level in range(6):
        nested = {"all": [nested]}

    assert preview_rule({"not": nested}, now=now).count == 3


def bought(**more):
    return {"op": "event", "name": "Buy", **more}


@pytest.mark.parametrize("kind", ["all", "not any", "all in all"])
def test_many_tables_are_joined_a_few_at_a_time(kind, now):
    """Who must meet 100 conditions on events was once asked by a join of 101 tables: to plan it took 17 GB."""
    most, some, none = (ProfileFactory(attributes={"city": "Oslo"}) for _n in range(3))
    EventFactory(profile=most, definition__name="Buy", properties={"n": 99})
    EventFactory(profile=some, definition__name="Buy", properties={"n": 98})
    conditions = [bought(where=[{"key": "n", "is": "gte", "value": n}]) for n in range(10, 100)]
    rules = {
        "all": {"all": [OSLO, *conditions]},
        "not any": {"not": {"any": [{"not": each} for each in conditions]}},
        "all in all": {"all": [{"all": conditions[:55]}, {"all": [{"all": conditions[55:]}]}]},
    }

    assert matching(rules[kind], now) == {most.pk}
    assert matching(rules[kind], now, Scope([some.pk, none.pk])) == set()
    assert matching(rules[kind], now, Scope([most.pk, some.pk])) == {most.pk}
    assert where_of(rules[kind], now).count("IS TRUE") == len(conditions) / MAX_JOINED - 1


def test_a_rule_in_steps_is_refreshed_by_change_for_whomever_it_is_asked(now):
    """The statement is kept, and the people and the moment in each of its steps are put in anew."""
    most, some, none = (ProfileFactory() for _n in range(3))
    for person in (most, some):
        EventFactory(profile=person, definition__name="Buy", occurred_at=now - timedelta(days=1), properties={"n": 1})
    EventFactory(profile=most, definition__name="Buy", occurred_at=now - timedelta(days=20), properties={"n": 2})
    within = [bought(within={"last_days": 21 + n}, where=[{"key": "n", "is": "gte", "value": 2}]) for n in range(25)]
    segment = SegmentFactory(rule={"all": [bought(within={"last_days": 2}), *within]})
    holder = holder_of(f"segment:{segment.key}")

    def entering(now, *people):
        (moves,) = differences([Asked(holder, tuple(person.pk for person in people))], now=now).values()
        return [move.profile_id for move in moves]

    assert entering(now, some, none) == []
    assert entering(now, most, none) == [most.pk]
    assert entering(now, most, some) == [most.pk]
    assert entering(now + timedelta(days=1), most) == []  # the last was two days ago


def test_each_step_is_found_once(now):
    EventFactory(definition__name="Buy")
    rule = parse_rule({"all": [bought(within={"last_days": n + 1}) for n in range(3 * MAX_JOINED)]})

    plan = Profile.objects.filter(compile_rule(rule, scope=EVERYBODY, now=now)).explain(verbose=True)

    assert len(set(re.findall(r"hashed SubPlan \w+", plan))) == 2


def test_what_the_planner_does_not_join_stays_as_it_is(now):
    rule = {"all": [{"any": [bought(where=[{"key": "n", "is": "gte", "value": n}]) for n in range(30)]}, *[OSLO] * 30]}

    assert "IS TRUE" not in where_of(rule, now)


def path_of(n_names):
    return ".".join(["a"] * n_names)


def test_a_path_leads_through_a_few_lists_and_no_more():
    rule = {"op": "event", "name": "Buy", "where": [{"key": path_of(11), "is": "set"}], "measure": {"sum": path_of(11)}}

    with pytest.raises(RuleError) as refused:
        parse_rule(rule)

    message = "must have at most 10 names with a dot between them"
    assert refused.value.problems == [Problem("where[0].key", message), Problem("measure.sum", message)]


@pytest.mark.parametrize("n_more", [0, 1])
def test_each_list_on_a_path_past_the_first_counts_as_a_condition(n_more, people, now):
    """Each is a query inside another: 199 conditions of nine lists each kept a server busy for minutes."""
    deep = [{"key": f"{place}.{path_of(9)}", "is": "eq", "value": "x"} for place in range(22)]
    rule = {"op": "event", "name": "Buy", "where": deep, "measure": {"sum": path_of(3 + n_more)}}

    if n_more:
        with pytest.raises(RuleError) as refused:
            preview_rule(rule, now=now)
        assert refused.value.problems == [Problem("", "a rule has at most 200 conditions")]
    else:
        assert preview_rule(rule, now=now).count == 0
