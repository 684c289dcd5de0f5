"""Values as their definition's type stores them in JSON, or flagged where they do not fit."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, Final

from django.utils import timezone

from cdp.rules.days import business_day
from profiles.ingest.times import parse_time
from profiles.models import AttributeType

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
DATE = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})", re.ASCII)
DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*", re.ASCII)
MAX_EXACT = 2**53  # beyond it, not every reader of JSON keeps an integer exact
BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class _Misfit:
    """The type of MISFIT."""


MISFIT: Final = _Misfit()


def is_missing(value: Any) -> bool:
    """`null` and `""` say "missing", for every type."""
    return value is None or value == ""


def coerce(value: Any, type_: str) -> Any:
    """`value` as `type_` stores it; None for what is missing, MISFIT for what does not fit."""
    return None if is_missing(value) else _COERCE[type_](value)


def is_same(one: Any, other: Any) -> bool:
    """Whether two values, as they are stored, are the same one. To Python true is 1, which in a list may be either."""
    if one != other:
        return False
    return type(one) is not list or [type(item) is bool for item in one] == [type(item) is bool for item in other]


def guess_type(value: Any) -> AttributeType:
    """The type of an attribute that is seen for the first time. Numeric text stays text: it may be a postal code."""
    if isinstance(value, bool):
        return AttributeType.BOOLEAN
    if isinstance(value, int | float):
        return AttributeType.NUMBER
    if isinstance(value, list):
        return AttributeType.LIST
    if isinstance(value, str) and DATE.fullmatch(value) and to_date(value) is not MISFIT:
        return AttributeType.DATE
    if isinstance(value, str) and DATETIME.fullmatch(value) and to_datetime(value) is not MISFIT:
        return AttributeType.DATETIME
    return AttributeType.TEXT


def to_text(value: Any) -> Any:
    """Text as it is; numbers too, since ids and postal codes come as either."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else MISFIT


def to_number(value: Any) -> Any:
    """A number, also from numeric text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return MISFIT
    if isinstance(value, str):
        if not NUMBER.fullmatch(value.strip()):
            return MISFIT
        number = float(value)
        value = int(number) if value.strip().lstrip("+-").isdigit() and abs(number) <= MAX_EXACT else number
    return value if abs(value) != float("inf") else MISFIT


def to_boolean(value: Any) -> Any:
    """true and false, also as 1 and 0 and in the words that files use."""
    if isinstance(value, bool):
        return value
    return BOOLEANS.get(str(value).strip().lower(), MISFIT) if isinstance(value, int | str) else MISFIT


def to_date(value: Any) -> Any:
    """`YYYY-MM-DD`. Of a time with a zone, the day that it is in the business zone."""
    if not isinstance(value, str):
        return MISFIT
    if match := DATE.fullmatch(value.strip()):
        year, _separator, month, day = match.groups()
        try:
            return date(int(year), int(month), int(day)).isoformat()
        except ValueError:
            return MISFIT
    time = parse_time(value, zone=timezone.get_default_timezone()) if DATETIME.fullmatch(value.strip()) else None
    return MISFIT if time is None else business_day(time).isoformat()


def to_datetime(value: Any) -> Any:
    """`YYYY-MM-DDTHH:MM:SS.ffffffZ` in UTC; a time without a zone is in the business zone."""
    time = parse_time(value, zone=timezone.get_default_timezone())
    return MISFIT if time is None else fixed_width(time)


def fixed_width(time: datetime) -> str:
    """An aware time as every datetime attribute is stored: text order is time order."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def to_list(value: Any) -> Any:
    """A list of texts, numbers and booleans; a single one of them is a list of one."""
    if isinstance(value, str | int | float):
        return [value]
    fits = isinstance(value, list) and all(isinstance(item, str | int | float) for item in value)
    return value if fits else MISFIT


_COERCE: dict[str, Callable[[Any], Any]] = {
    AttributeType.TEXT: to_text,
    AttributeType.NUMBER: to_number,
    AttributeType.BOOLEAN: to_boolean,
    AttributeType.DATE: to_date,
    AttributeType.DATETIME: to_datetime,
    AttributeType.LIST: to_list,
}
