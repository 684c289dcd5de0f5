"""Words for lists of text, numbers and booleans; elements are equal in type and value."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from cdp.rules.operands import Operand
from cdp.rules.shapes import ListOf, Scalar
from cdp.rules.sql import Infix, Sql, any_of_array, json_array, json_value
from cdp.rules.words.base import PRESENCE, Word


def has_all(operand: Operand, values: tuple[Any, ...], now: datetime) -> Sql:
    return Infix("@>", operand.expression, json_value(list(values)))


def has_any(operand: Operand, values: tuple[Any, ...], now: datetime) -> Sql:
    return any_of_array(operand.expression, json_array([[value] for value in values]), sign="@>")


LIST = {
    "has": Word(Scalar(), _("%(subject)s has %(value)s"), lambda operand, value, now: has_all(operand, (value,), now)),
    "has_any": Word(ListOf(Scalar()), _("%(subject)s has any of %(value)s"), has_any),
    "has_all": Word(ListOf(Scalar()), _("%(subject)s has all of %(value)s"), has_all),
    "has_none": Word(ListOf(Scalar()), _("%(subject)s has none of %(value)s"), denies="has_any"),
    **PRESENCE,
}
