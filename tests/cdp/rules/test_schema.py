"""The JSON Schema of a rule and the parser say the same, but for meaning."""

import copy
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cdp.rules.base import operators
from cdp.rules.errors import RuleError
from cdp.rules.parse import parse_rule
from cdp.rules.schema import rule_schema
from tests.strategies import NOWS, rules
from tests.world import World, declare_probe

pytestmark = pytest.mark.django_db

# What no schema can say: names, order, the calendar, the subset of patterns, how much there is of it.
MEANING = re.compile(
    r"^there is no |^no attribute |^the (tag|tier scheme|scoring model) .* has no |does not fit a value of the type"
    r"|^from must not be greater|^the first must be farther|^since must not be later|^must be greater than from"
    r"|^must be a date|^is required with then_not|at character \d+ of the pattern$"
    r"|^groups go at most|^a rule has at most|^must not contain a NUL"
)
NASTY: list[Any] = [
    *(None, True, 0, 1, 2.5, -1, 101, 40_000, 5.0, "", "x", "set", "between", "2026-02-30", "a.b", "$hour", "x" * 201),
    *([], [1, 2], ["a"], {}, {"days": 3}, {"name": "Buy"}, {"all": []}, {"op": "segment", "key": "loyal"}),
]
NASTY_NUMBERS = [-1, 0, 0.5, 5.0, 101, 367, 10_000, 40_000, True, "1"]
OTHERS: list[Any] = [None, "x", ["a"], {}, {"days": 3}]
NASTY_TEXTS = ["", "x" * 201, "x" * 10_001, "2026-02-30", "$hour", "a..b", "gte", "email", 1, None]
KEYS = ["op", "key", "is", "value", "name", "where", "within", "gap", "then_not", "steps", "all", "not", "in", "more"]


@pytest.fixture
def world(monkeypatch):
    declare_probe(monkeypatch)
    return World()


def places(value, path=()):
    """The paths of everything inside."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def near(value):
    """What is nearly right in its place."""
    return NASTY_NUMBERS if isinstance(value, int | float) else NASTY_TEXTS if isinstance(value, str) else NASTY


@pytest.fixture(scope="module")
def validator():
    return Draft202012Validator(rule_schema())


@st.composite
def spoilt(draw):
    """A rule in which a few things are replaced, left out or added."""
    rule = copy.deepcopy(draw(rules(draw(st.sampled_from(NOWS)))))
    for _n in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from([(), *places(rule)]))
        inside = at(rule, path)
        match draw(st.sampled_from(["replace", "drop", "add"])):
            case "replace" if path:
                at(rule, path[:-1])[path[-1]] = copy.deepcopy(draw(st.sampled_from(near(inside))))
            case "drop" if path:
                del at(rule, path[:-1])[path[-1]]
            case "add" if isinstance(inside, dict):
                inside[draw(st.sampled_from(KEYS))] = copy.deepcopy(draw(st.sampled_from(NASTY)))
            case "add" if isinstance(inside, list):
                inside.append(copy.deepcopy(draw(st.sampled_from(NASTY))))
    return rule


def is_of_a_type_by_name(rule, path):
    """Whether the problem is one with a value that is compared as the type of an attribute, score or `$hour`."""
    whole = re.fullmatch(r"(.*?)\.?value(\[\d+\]|\.days|\.hours)*", path)
    if whole is None:
        return False
    keys = [int(key) if key.isdigit() else key for key in re.findall(r"[^.\[\]]+", whole.group(1))]
    condition = at(rule, keys)
    return condition.get("op") in ("attribute", "score") or condition["key"].startswith("$")


SETTINGS = settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


def check_agreement(rule, validator):
    """What the schema accepts the parser accepts, but for meaning; and the other way round."""
    is_accepted = validator.is_valid(rule)
    try:
        parse_rule(rule)
    except RuleError as error:
        if is_accepted:
            unsaid = [problem for problem in error.problems if not MEANING.search(problem.message)]
            assert [problem for problem in unsaid if not is_of_a_type_by_name(rule, problem.path)] == [], rule
    else:
        assert is_accepted, rule


@SETTINGS
@given(rule=spoilt())
def test_schema_and_parser_agree_on_spoilt_rules(world, validator, rule):
    check_agreement(rule, validator)


WHERE = [{"key": "a.b", "is": "in", "value": ["x"]}, {"key": "$hour", "is": "between", "value": [8, 12]}]
WHOLE = {
    "text": {"op": "attribute", "key": "city", "is": "in", "value": ["Oslo"]},
    "number": {"op": "attribute", "key": "n", "is": "between", "value": [1, 2]},
    "date": {"op": "attribute", "key": "birthday", "is": "anniversary_in_next", "value": {"days": 7}},
    "datetime": {"op": "attribute", "key": "met_at", "is": "in_last", "value": {"hours": 7}},
    "list": {"op": "attribute", "key": "likes", "is": "has_any", "value": ["tea", 1, True]},
    "event": {
        "op": "event", "name": ["Buy", "View"], "where": WHERE, "within": {"last_days": 30},
        "measure": {"sum": "total"}, "is": "gte", "value": 2,
    },
    "days_ago": {"op": "event", "name": "Buy", "within": {"days_ago": [30, 7]}, "measure": "days"},
    "dates": {"op": "event", "name": "Buy", "within": {"since": "2026-01-01", "until": "2026-06-30"}},
    "calendar": {"op": "event", "name": "Buy", "within": {"calendar": "last_month"}},
    "recency": {"op": "event_recency", "name": "Buy", "which": "last", "is": "before", "days": 30},
    "sequence": {
        "op": "sequence", "steps": [{"name": "View"}, {"name": ["Buy"], "where": []}], "gap": {"hours": 2},
        "within": {"last_hours": 48}, "then_not": {"name": "Buy"},
    },
    "tag": {"op": "tag", "key": "card", "value": ["gold"]},
    "segment": {"op": "segment", "key": "loyal", "for_days": 7},
    "tier": {"op": "tier", "scheme": "club", "in": ["upper"]},
    "score": {"op": "score", "model": "probe", "field": "level", "is": "eq", "value": 1},
    "identifier": {"op": "identifier", "kind": "email"},
    "consent": {"op": "consent", "channel": "email", "is": "granted"},
    "bucket": {"op": "bucket", "salt": "spring", "from": 0, "to": 12.5},
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_they_agree_whatever_is_put_into_one_place(name, world, validator):
    rule = {"all": [WHOLE[name]]}
    assert validator.is_valid(rule)
    assert parse_rule(rule)

    for path in places(rule):
        for value in near(at(rule, path)) + OTHERS:
            changed = copy.deepcopy(rule)
            at(changed, path[:-1])[path[-1]] = value
            check_agreement(changed, validator)


@pytest.mark.parametrize("name", WHOLE)
def test_they_agree_on_what_is_missing_and_what_is_too_much(name, world, validator):
    rule = {"all": [WHOLE[name]]}
    for path in places(rule):
        changed = copy.deepcopy(rule)
        del at(changed, path[:-1])[path[-1]]
        check_agreement(changed, validator)
    for path in [(), *places(rule)]:
        if isinstance(at(rule, path), dict):
            for key in KEYS:
                changed = copy.deepcopy(rule)
                at(changed, path)[key] = 1
                check_agreement(changed, validator)


def test_it_is_a_schema_that_names_every_operator():
    schema = rule_schema()

    Draft202012Validator.check_schema(schema)
    conditions = [each for name, each in schema["$defs"].items() if name != "Rule"]
    assert {condition["properties"]["op"]["enum"][0] for condition in conditions} == set(operators)
    assert all(condition["additionalProperties"] is False for condition in conditions)


def test_names_say_of_what_they_are():
    properties = {name: each["properties"] for name, each in rule_schema()["$defs"].items() if "properties" in each}

    assert properties["AttributeCondition"]["key"] == {
        "type": "string", "minLength": 1, "maxLength": 200, "x-name-of": "attribute",
    }  # fmt: skip
    assert properties["SequenceCondition"]["steps"]["items"]["properties"]["name"]["anyOf"][0]["x-name-of"] == "event"


def test_an_event_may_be_asked_for_without_a_comparison_but_not_with_half_of_one(validator):
    bought = {"op": "event", "name": "Buy"}

    assert validator.is_valid(bought)
    assert validator.is_valid(bought | {"is": "gte", "value": 2})
    assert validator.is_valid(bought | {"is": "set"})
    assert not validator.is_valid(bought | {"value": 2})
    assert not validator.is_valid(bought | {"is": "gte"})
    assert not validator.is_valid(bought | {"is": "set", "value": 2})
    assert not validator.is_valid(bought | {"is": "contains", "value": "2"})
