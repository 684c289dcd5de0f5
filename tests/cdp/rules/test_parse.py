"""What is wrong with a rule, where, and all of it at once."""

import json

import pytest

from cdp.rules.base import operators
from cdp.rules.errors import Problem, RuleError
from cdp.rules.parse import parse_rule
from tests.factories.profiles import AttributeDefinitionFactory
from tests.factories.segments import SegmentFactory
from tests.factories.tags import TagFactory, TagValueFactory

pytestmark = pytest.mark.django_db

CITY = {"op": "attribute", "key": "city", "is": "eq", "value": "Oslo"}
BIRTHDAY = {"op": "attribute", "key": "birthday"}
EVENT = {"op": "event", "name": "Buy"}
KNOWN = ", ".join(sorted(operators))


def problems(rule):
    """[(path, message), …] of a rule that must be refused."""
    with pytest.raises(RuleError) as refused:
        parse_rule(rule)
    return [(problem.path, problem.message) for problem in refused.value.problems]


def nested(n, leaf=CITY):
    return {"not": nested(n - 1, leaf)} if n else leaf


@pytest.fixture
def number():
    return AttributeDefinitionFactory(key="n", type="number")


@pytest.mark.parametrize("rule", [None, [], "all", 5, True])
def test_a_rule_is_an_object(rule):
    assert problems(rule) == [("", "must be a group or a condition: an object with all, any, not or op")]


@pytest.mark.parametrize("rule", [{}, {"al": [CITY]}, {"all": [CITY], "any": [CITY]}, {"op": "tag", "not": CITY}])
def test_a_node_is_one_thing(rule):
    assert problems(rule) == [("", "must have exactly one of: all, any, not, op")]


@pytest.mark.parametrize(
    ("rule", "path", "message"),
    [
        ({"all": []}, "all", "must not be empty"),
        ({"any": [CITY, {"any": []}]}, "any[1].any", "must not be empty"),
        ({"all": {}}, "all", "must be a list of groups and conditions"),
        ({"not": [CITY]}, "not", "must be a group or a condition: an object with all, any, not or op"),
        ({"all": [CITY], "name": "x"}, "name", "unknown key; known: all"),
        ({"not": {"op": "x"}}, "not.op", f"unknown operator 'x'; known: {KNOWN}"),
        ({"op": ["tag"]}, "op", f"unknown operator ['tag']; known: {KNOWN}"),
        ({"op": "tag"}, "key", "is required"),
        (CITY | {"val": 1}, "val", "unknown key; known: op, key, is, value"),
        (CITY | {"value": 5}, "value", "must be text"),
        (CITY | {"value": "a\x00"}, "value", "must not contain a NUL or half of a surrogate pair"),
        (CITY | {"value": json.loads('"\\ud800"')}, "value", "must not contain a NUL or half of a surrogate pair"),
        (CITY | {"is": "in", "value": []}, "value", "must not be empty"),
        (CITY | {"is": "in", "value": ["a", 1]}, "value[1]", "must be text"),
        (CITY | {"is": "set"}, "value", "“set” takes no value"),
        (CITY | {"is": "matches", "value": "a" * 201}, "value", "must have 1 to 200 characters"),
        (CITY | {"key": "a" * 201}, "key", "must have 1 to 200 characters"),
        ({"op": "attribute", "key": "city", "is": "eq"}, "value", "is required"),
        ({"op": "attribute", "key": "city"}, "is", "is required"),
        (CITY | {"key": "isnull"}, "key", "no attribute 'isnull' is defined"),
        (
            CITY | {"is": "gt"},
            "is",
            "“gt” does not fit a value of the type “text”; known: eq, ne, in, not_in, contains, not_contains, "
            "starts_with, ends_with, matches, set, unset",
        ),
        (BIRTHDAY | {"is": "on", "value": "2023-02-30"}, "value", "must be a date such as 2026-01-31"),
        (BIRTHDAY | {"is": "on", "value": "20230228"}, "value", "must be a date such as 2026-01-31"),
        (BIRTHDAY | {"is": "in_last", "value": {"hours": 3}}, "value.hours", "unknown key; known: days"),
        (
            BIRTHDAY | {"is": "between", "value": ["2026-02-01", "2026-01-01"]},
            "value",
            "from must not be greater than to",
        ),
        (
            BIRTHDAY | {"is": "anniversary_in_next", "value": {"days": 367}},
            "value.days",
            "must be a whole number from 1 to 366",
        ),
        (EVENT | {"name": []}, "name", "must not be empty"),
        (EVENT | {"value": 3}, "is", "is required"),
        (EVENT | {"is": "gte", "value": "3"}, "value", "must be a number"),
        (
            EVENT | {"measure": "median"},
            "measure",
            "must be count, days, or an object with one of: sum, avg, min, max, distinct",
        ),
        (EVENT | {"measure": {"sum": "a..b"}}, "measure.sum", "must be names with a dot between them"),
        (EVENT | {"where": [{"key": "a", "is": "eq"}]}, "where[0].value", "is required"),
        (
            EVENT | {"where": [{"key": "a", "is": "eq", "value": None}]},
            "where[0].value",
            "must be of the type: text, number, boolean",
        ),
        (EVENT | {"where": [{"key": "$hour", "is": "eq", "value": "9"}]}, "where[0].value", "must be a number"),
        (EVENT | {"where": [{"key": "a", "is": "in", "value": ["x", 1]}]}, "where[0].value[1]", "must be text"),
        (EVENT | {"within": {"last_days": 0}}, "within.last_days", "must be a whole number from 1 to 36500"),
        (EVENT | {"within": {"last_days": True}}, "within.last_days", "must be a whole number from 1 to 36500"),
        (
            EVENT | {"within": {"days_ago": [30, 60]}},
            "within.days_ago",
            "the first must be farther back than the second",
        ),
        (
            EVENT | {"within": {"since": "2026-02-01", "until": "2026-01-01"}},
            "within",
            "since must not be later than until",
        ),
        (
            EVENT | {"within": {}},
            "within",
            "must be an object with one of: last_days, last_hours, days_ago, calendar, since, until",
        ),
        (
            EVENT | {"within": {"x": 1}},
            "within.x",
            "unknown key; known: last_days, last_hours, days_ago, calendar, since, until",
        ),
        ({"op": "tag", "key": "nope"}, "key", "there is no tag 'nope', or it is archived"),
        ({"op": "segment", "key": "nope"}, "key", "there is no segment 'nope', or it is archived"),
        ({"op": "score", "model": "nope", "field": "r", "is": "set"}, "model", "there is no scoring model 'nope'"),
    ],
)
def test_a_problem_names_its_place(rule, path, message):
    assert problems(rule) == [(path, message)]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "1", None, 1e101, 10**400])
def test_a_number_is_a_finite_number(value, number):
    assert [path for path, _message in problems({"op": "attribute", "key": "n", "is": "eq", "value": value})] == [
        "value"
    ]


def test_a_value_of_a_tag_must_exist():
    tag = TagFactory(key="card")
    TagValueFactory(tag=tag, key="gold")

    assert problems({"op": "tag", "key": "card", "value": ["gold", "lead"]}) == [
        ("value[1]", "the tag card has no value 'lead'; known: gold")
    ]


def test_all_problems_come_at_once():
    rule = {
        "all": [CITY | {"key": "nope"}, {"any": [{"op": "x"}, EVENT | {"where": [{"key": "a", "is": "on", "x": 1}]}]}]
    }

    assert [path for path, _message in problems(rule)] == [
        "all[1].any[0].op",
        "all[1].any[1].where[0].x",
        "all[1].any[1].where[0].is",
        "all[0].key",
    ]


@pytest.mark.parametrize(
    ("rule", "paths"),
    [
        (CITY | {"key": "nope", "is": 5, "x": 1}, ["x", "is", "key"]),
        (CITY | {"is": "gt", "x": 1}, ["x", "is"]),
        (EVENT | {"within": {"last_days": 0}, "is": "nah", "value": 2}, ["within.last_days", "is"]),
        (EVENT | {"measure": 5, "value": 2}, ["measure", "is"]),
        (EVENT | {"where": [{"key": "a..b", "is": "zzz"}, {"key": "a", "is": "set", "value": 1}]},
         ["where[0].key", "where[1].value"]),
        ({"op": "tag", "key": "nope", "value": 5}, ["value", "key"]),
        ({"op": "score", "model": "rfm", "field": "nope", "is": 5}, ["is", "field"]),
        ({"op": "bucket", "salt": "", "from": 5, "to": 5}, ["salt", "to"]),
        ({"op": "bucket", "salt": "a", "from": "x", "to": 5}, ["from"]),
        ({"op": "sequence", "steps": [], "then_not": {"name": "b"}}, ["steps", "gap"]),
        ({"op": "sequence", "steps": [], "gap": 3, "then_not": {"name": "b"}}, ["steps", "gap"]),
        ({"all": [{"op": "x"}], "any": []}, ["all[0].op", "any", ""]),
    ],
)  # fmt: skip
def test_one_problem_of_a_condition_does_not_hide_another(rule, paths):
    assert [path for path, _message in problems(rule)] == paths


def test_a_comparison_that_no_type_has_is_told_beside_an_unknown_attribute():
    found = problems(CITY | {"key": "citty", "is": "eqq"})

    assert [path for path, _message in found] == ["key", "is"]
    assert found[1][1].startswith("unknown comparison 'eqq'; known: eq, ne, in, ")
    assert [path for path, _message in problems(CITY | {"key": "citty", "is": "lt"})] == ["key"]


def test_who_sends_something_else_than_a_rule_is_answered_in_short():
    found = problems({"all": [{"op": "x" * 100_000}] * 2_000})

    assert len(found) == 1_000
    assert found[0] == ("all[0].op", f"unknown operator '{'x' * 99}…; known: {KNOWN}")


def test_eight_levels_of_groups_and_no_more():
    assert parse_rule(nested(8))
    assert problems(nested(9)) == [(".".join(["not"] * 8), "groups go at most 8 levels deep")]


def test_a_very_deep_rule_is_refused_without_descending():
    rule = CITY
    for _level in range(5000):
        rule = {"all": [rule]}

    assert problems(rule)[0][1] == "groups go at most 8 levels deep"


def test_two_hundred_conditions_and_no_more():
    assert parse_rule({"all": [CITY] * 200})
    assert problems({"all": [CITY] * 201}) == [("", "a rule has at most 200 conditions")]


def test_names_are_looked_up_in_one_query_a_kind(django_assert_num_queries):
    segment = SegmentFactory()
    tag = TagFactory()
    rule = {
        "all": [
            CITY,
            CITY | {"key": "country"},
            {"op": "segment", "key": segment.key},
            EVENT,
            EVENT | {"name": "x"},
            {"op": "tag", "key": tag.key},
        ]
    }

    with django_assert_num_queries(5):  # attributes, segments, events, tags and their values
        parse_rule(rule)


def test_the_error_reads_as_one_line():
    assert str(RuleError([Problem("", "a"), Problem("all[0].op", "b")])) == "rule: a; all[0].op: b"
