"""Words for numbers; a span of two includes both ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from cdp.rules.operands import Operand
from cdp.rules.shapes import ListOf, Number, Pair
from cdp.rules.sql import Infix, Sql, any_of_array, every
from cdp.rules.words.base import PRESENCE, Word


def compared(sign: str) -> Callable[[Operand, Any, datetime], Sql]:
    return lambda operand, value, now: Infix(sign, operand.expression, operand.number(value))


def between(operand: Operand, value: tuple[float, float], now: datetime) -> Sql:
    low, high = value
    return every([compared(">=")(operand, low, now), compared("<=")(operand, high, now)])


def one_of(operand: Operand, values: tuple[float, ...], now: datetime) -> Sql:
    return any_of_array(operand.expression, operand.numbers(values))


NUMBER = {
    "eq": Word(Number(), _("%(subject)s is %(value)s"), compared("=")),
    "ne": Word(Number(), _("%(subject)s is not %(value)s"), denies="eq"),
    "lt": Word(Number(), _("%(subject)s is less than %(value)s"), compared("<")),
    "lte": Word(Number(), _("%(subject)s is at most %(value)s"), compared("<=")),
    "gt": Word(Number(), _("%(subject)s is more than %(value)s"), compared(">")),
    "gte": Word(Number(), _("%(subject)s is at least %(value)s"), compared(">=")),
    "between": Word(Pair(Number()), _("%(subject)s is from %(low)s to %(high)s"), between, short=_("is between")),
    "in": Word(ListOf(Number()), _("%(subject)s is one of %(value)s"), one_of),
    "not_in": Word(ListOf(Number()), _("%(subject)s is none of %(value)s"), denies="in"),
    **PRESENCE,
}


def zero_matches(word: str, value: Any) -> bool:
    """Whether the number 0 matches: what a count or sum of no events is."""
    match word:
        case "eq":
            return bool(value == 0)
        case "lt":
            return bool(value > 0)
        case "lte":
            return bool(value >= 0)
        case "gt":
            return bool(value < 0)
        case "gte":
            return bool(value <= 0)
        case "between":
            return bool(value[0] <= 0 <= value[1])
        case "in":
            return 0 in value
        case "set":
            return True
        case denial:
            return not zero_matches(NUMBER[denial].denies, value)
