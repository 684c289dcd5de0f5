"""Rules in forms: JSON in a text area, and beneath it the sentence that it says and how many people it matches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import orjson
from django import forms
from django.core.exceptions import ValidationError
from django.forms.widgets import Script
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext
from unfold.widgets import UnfoldAdminTextareaWidget

from cdp.rules.describe import describe_rule
from cdp.rules.errors import Problem, RuleError
from cdp.rules.field import RuleField
from cdp.rules.parse import parse_rule, parse_rules
from profiles.masking import masking_for
from profiles.rule_reading import described
from profiles.services.preview import PreviewTimeout, preview_rule

MAX_RULE_CHARACTERS = 100_000
SHORT_SENTENCE = 90
READING_ORDER = ("op", "key", "name", "model", "field", "scheme", "where", "within", "measure", "is", "value")


class RuleWidget(UnfoldAdminTextareaWidget):  # type: ignore[misc]
    """A text area, around which static/strata/rules/ builds; without JavaScript it is edited as it is."""

    template_name = "profiles/rule_widget.html"
    holder_key = ""  # of what the rule fills, where that is there already

    class Media:
        js = (Script("strata/rules/builder.js", type="module"),)
        css = {"all": ("strata/rules.css",)}

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"class": "st-rule", "rows": 8, "spellcheck": "false", **(attrs or {})})

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        # What is wrong stands above the field already, once it was sent.
        text = value if isinstance(value, str) and "aria-invalid" not in context["widget"]["attrs"] else ""
        context["holder_key"] = self.holder_key
        return {**context, **(verdict(text) if text not in ("", "null") else {})}


class RuleFormField(forms.JSONField):
    """Rule JSON as an operator reads it: indented, Chinese as Chinese, and errors that name their line."""

    widget = RuleWidget

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, forms.fields.InvalidJSONInput):
            return value
        return "" if value is None else rule_text(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What was typed comes again as it was typed."""
        return forms.fields.InvalidJSONInput(data) if isinstance(data, str) else data

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value.strip():
            try:
                rule_json = orjson.loads(value)
            except ValueError as error:
                raise ValidationError(json_problem(error)) from error
            if rule_json in self.empty_values:  # else it would count as nothing written
                raise ValidationError([problem.message for problem in verdict(value)["problems"]])
        return super().to_python(value)


def rule_text(rule: Any) -> str:
    """Rule JSON as people write it: the database keeps keys by their length, here `op` comes first."""
    return json.dumps(in_reading_order(rule), ensure_ascii=False, indent=2)


def in_reading_order(node: Any) -> Any:
    """Objects with the keys of `READING_ORDER` first, at every level."""
    if isinstance(node, list):
        return [in_reading_order(child) for child in node]
    if not isinstance(node, dict):
        return node
    known = [key for key in READING_ORDER if key in node]
    return {key: in_reading_order(node[key]) for key in [*known, *(key for key in node if key not in known)]}


RULE_OVERRIDES = {RuleField: {"form_class": RuleFormField, "widget": RuleWidget}}


def json_problem(error: ValueError) -> str:
    """Where JSON stops being JSON."""
    if "depth limit" in str(error):
        return gettext("This rule is nested too deep.")
    if isinstance(error, json.JSONDecodeError):
        place = {"line": error.lineno, "column": error.colno}
        return gettext("This is not JSON: line %(line)s, column %(column)s.") % place
    return gettext("This is not JSON.")


def verdict(text: str) -> dict[str, Any]:
    """What to say beneath a rule's text: its `problems`, or its `sentence`."""
    try:
        return {"sentence": describe_rule(parse_rule(orjson.loads(text)))}
    except RuleError as error:
        return {"problems": error.problems}
    except ValueError as error:
        return {"problems": [Problem(path="", message=json_problem(error))]}


def count_in_words(rule_json: Any) -> str:
    """How many people match now, exactly; or that counting took too long."""
    try:
        count = preview_rule(rule_json, now=timezone.now()).count
    except PreviewTimeout as error:
        return str(error)
    return matches_in_words(count)


def matches_in_words(count: int) -> str:
    return ngettext("Matches %(count)s person now.", "Matches %(count)s people now.", count) % {"count": f"{count:,}"}


def rule_as_read(rule: Any, user: Any) -> SafeString:
    """A saved rule for those who read it: the sentence, and the JSON folded away; personal values masked."""
    if rule is None:
        return SafeString("-")
    masking = masking_for(user)
    return render_to_string(
        "profiles/rule_read.html",
        {"sentence": described(parse_rules([rule])[0], masking), "json": rule_text(masking.rule(rule))},
    )


def rules_in_short(rules: Sequence[Any], user: Any) -> list[str]:
    """The sentences of saved rules for a list, with one query a kind of name for all; personal values masked."""
    given = [index for index, rule in enumerate(rules) if rule is not None]
    sentences = ["-"] * len(rules)
    for index, parsed in zip(given, parse_rules([rules[index] for index in given]), strict=True):
        sentences[index] = Truncator(described(parsed, masking_for(user))).chars(SHORT_SENTENCE)
    return sentences
