import pytest
from django.utils.translation import override
from liquid import Environment
from liquid.exceptions import LiquidError

from campaigns.liquid_errors import explain


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ a", "“{{” is never closed with “}}”"),
        ("{% if a", "“{%” is never closed with “%}”"),
        ("{% if a %}b", "the tag “endif” is missing"),
        ("{% comment %}", "the tag “endcomment” is missing"),
        ("{% endif %}", "the tag “endif” is unknown or has no place here"),
        ("{{ }}", "a variable or a value is missing here"),
        ("{% if %}{% endif %}", "a variable or a value is missing here"),
        ("{{ a | }}", "a name is missing here"),
        ("{{ a. }}", "a name is missing here"),
        ("{{ a b }}", "what follows here does not belong there"),
        ("{{ 'x }}", "a quotation mark is never closed"),
        ("{{ a && b }}", "“&” cannot stand here"),
        ("{% for x of y %}{% endfor %}", "“in” is missing"),
        ("{% assign x %}", "“=” is missing"),
        ("{{ (1..2 }}", "“)” is missing"),
    ],
)
def test_a_common_mistake_is_told_in_our_words(source, said):
    with pytest.raises(LiquidError) as raised:
        Environment().from_string(source)

    assert explain(str(raised.value.message)) == said
    with override("zh-hans"):
        assert explain(str(raised.value.message)) != said


def test_another_mistake_keeps_its_words_in_brackets():
    assert explain("expected the unexpected") == "this is no Liquid that can be read (expected the unexpected)"
