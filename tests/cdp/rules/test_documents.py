"""The rules in docs/rule-language.md can be used as they stand, and it names every operator and word."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from cdp.rules.base import operators
from cdp.rules.parse import parse_rule
from cdp.rules.schema import rule_schema
from cdp.rules.words import WORDS
from tests.factories.segments import SegmentFactory, TierSchemeFactory
from tests.factories.tags import TagFactory

pytestmark = pytest.mark.django_db

PAGE = Path("docs/rule-language.md").read_text()
EXAMPLES = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("place", range(len(EXAMPLES)))
def test_an_example_can_be_used(place):
    TagFactory(key="vip")
    SegmentFactory(key="loyal")
    TierSchemeFactory(key="club", tiers={"gold": None, "silver": None})
    rule = json.loads(EXAMPLES[place])

    assert Draft202012Validator(rule_schema()).is_valid(rule)
    assert parse_rule(rule)


def test_every_operator_has_an_example_and_every_word_is_named():
    assert {op for op in operators if f'"op": "{op}"' not in "".join(EXAMPLES)} == set()
    named = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`]*)`", PAGE))))
    assert {word for words in WORDS.values() for word in words} - named == set()
