"""The language as the builder of rules needs it: every operator has a face, and every shape an input."""

import json

import pytest
from django.utils import translation

from cdp.rules.base import operators
from cdp.rules.catalogue import Option, Wanted
from cdp.rules.forms import form_of
from cdp.rules.language import language
from cdp.rules.words import WORDS
from cdp.rules.words.text import TEXT

pytestmark = pytest.mark.django_db
INPUTS = {
    "boolean", "day", "fields", "list", "name", "names", "number", "one", "pair", "property", "scalar", "text", "value",
    "variants", "where",
}  # fmt: skip


def forms_in(value):
    """Every form in a description, however deep."""
    if isinstance(value, dict):
        found = [value] if "input" in value else []
        return found + [form for inner in value.values() for form in forms_in(inner)]
    return [form for inner in value for form in forms_in(inner)] if isinstance(value, list) else []


@pytest.mark.parametrize("code", ["en", "zh-hans"])
def test_every_operator_has_a_face_and_inputs_that_the_builder_knows(code):
    with translation.override(code):
        described = json.loads(json.dumps(language()))

    assert {each["op"] for each in described["operators"]} == set(operators)
    assert all(operator.face.label for operator in operators.values())
    assert {form["input"] for form in forms_in(described)} <= INPUTS


@pytest.mark.parametrize("code", ["en", "zh-hans"])
def test_words_of_a_type_can_be_told_apart(code):
    with translation.override(code):
        labels = {type_: [word.label for word in words.values()] for type_, words in WORDS.items()}

    assert {type_: sorted(each) for type_, each in labels.items() if len(set(each)) < len(each) or "" in each} == {}


def test_a_word_is_chosen_by_its_sentence_without_subject_and_value():
    assert (TEXT["in"].label, TEXT["ends_with"].label) == ("is one of", "ends with")
    with translation.override("zh-hans"):
        assert (TEXT["in"].label, TEXT["ends_with"].label) == ("为…之一", "以…结尾")


def test_a_word_tells_what_its_value_is():
    assert form_of(WORDS["date"]["anniversary_in_next"].shape) == {
        "input": "variants",
        "variants": [
            {"label": "… days", "keys": {"days": {"input": "number", "whole": True, "least": 1, "most": 366}}}
        ],
    }
    assert form_of(TEXT["in"].shape) == {"input": "list", "item": {"input": "text", "most": 10_000}}


def test_parameters_that_depend_on_a_name_say_so():
    by_op = {each["op"]: each for each in language()["operators"]}

    assert (by_op["attribute"]["typed_by"], by_op["score"]["typed_by"], by_op["event"]["typed_by"]) == (
        "key", "field", "number",
    )  # fmt: skip
    assert {param["key"]: param["among"] for param in by_op["score"]["params"]}["field"] == "model"
    assert {param["key"]: param["among"] for param in by_op["tag"]["params"]}["value"] == "key"


def test_few_options_are_looked_through_by_name_and_label():
    options = [Option("city", "Stadt"), Option("born", "Birthday")]

    assert Wanted(term="CIT").among(options) == options[:1]
    assert Wanted(term="day").among(options) == options[1:]
    assert Wanted(names=frozenset({"born"})).among(options) == options[1:]
    assert Wanted(limit=1).among(options) == options[:1]
