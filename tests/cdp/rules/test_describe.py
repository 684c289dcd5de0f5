"""Groups as sentences."""

import pytest

from cdp.rules.describe import describe_rule
from cdp.rules.parse import parse_rule

pytestmark = pytest.mark.django_db


def lives_in(city):
    return {"op": "attribute", "key": "city", "is": "eq", "value": city}


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"all": [lives_in("A")]}, "City is “A”"),
        ({"all": [lives_in("A"), lives_in("B")]}, "City is “A” and City is “B”"),
        (
            {"any": [lives_in("A"), {"all": [lives_in("B"), {"not": lives_in("100%")}]}]},
            "City is “A” or (City is “B” and not (City is “100%”))",
        ),
    ],
)
def test_groups_inside_groups_stand_in_brackets(rule, sentence):
    assert describe_rule(parse_rule(rule)) == sentence
