"""A rule of the greatest size that is allowed is answered in a time that people wait."""

import pytest

from cdp.rules.errors import Problem, RuleError
from cdp.rules.parse import parse_rule
from cdp.rules.shapes import MAX_ITEMS
from profiles.services.preview import preview_rule
from tests.factories.profiles import AttributeDefinitionFactory, ProfileFactory

pytestmark = pytest.mark.django_db


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
