"""Words for text: exact, on lower case, or by pattern."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import BooleanField, Func, Value
from django.db.models.functions import Length, Lower, Right
from django.utils.translation import gettext_lazy as _

from cdp.rules.errors import Place
from cdp.rules.operands import Operand
from cdp.rules.patterns import PatternError, to_postgres
from cdp.rules.shapes import ListOf, Text
from cdp.rules.sql import AsText, Infix, Sql, any_of_array, text_array
from cdp.rules.words.base import PRESENCE, Word

MAX_PATTERN = 200


class Pattern(Text):
    """A regular expression of the checked subset (cdp/rules/patterns.py)."""

    def read(self, raw: Any, at: Place) -> Any:
        pattern = super().read(raw, at)
        if isinstance(pattern, str):
            try:
                to_postgres(pattern)
            except PatternError as error:
                return at.report(str(error))
        return pattern


def equals(operand: Operand, value: str, now: datetime) -> Sql:
    return Infix("=", AsText(operand.expression), Value(value))


def one_of(operand: Operand, values: tuple[str, ...], now: datetime) -> Sql:
    return any_of_array(AsText(operand.expression), text_array(values))


def contains(operand: Operand, value: str, now: datetime) -> Sql:
    found = Func(Lower(AsText(operand.expression)), Lower(Value(value)), function="strpos")
    return Infix(">", found, Value(0))


def starts_with(operand: Operand, value: str, now: datetime) -> Sql:
    lower = Lower(AsText(operand.expression))
    return Func(lower, Lower(Value(value)), function="starts_with", output_field=BooleanField())


def ends_with(operand: Operand, value: str, now: datetime) -> Sql:
    end = Right(Lower(AsText(operand.expression)), Length(Lower(Value(value))))
    return Infix("=", end, Lower(Value(value)))


def matches(operand: Operand, value: str, now: datetime) -> Sql:
    return Infix("~", AsText(operand.expression), Value(to_postgres(value)))


TEXT = {
    "eq": Word(Text(), _("%(subject)s is %(value)s"), equals),
    "ne": Word(Text(), _("%(subject)s is not %(value)s"), denies="eq"),
    "in": Word(ListOf(Text()), _("%(subject)s is one of %(value)s"), one_of),
    "not_in": Word(ListOf(Text()), _("%(subject)s is none of %(value)s"), denies="in"),
    "contains": Word(Text(), _("%(subject)s contains %(value)s"), contains),
    "not_contains": Word(Text(), _("%(subject)s does not contain %(value)s"), denies="contains"),
    "starts_with": Word(Text(), _("%(subject)s starts with %(value)s"), starts_with),
    "ends_with": Word(Text(), _("%(subject)s ends with %(value)s"), ends_with),
    "matches": Word(Pattern(least=1, most=MAX_PATTERN), _("%(subject)s matches the pattern %(value)s"), matches),
    **PRESENCE,
}
