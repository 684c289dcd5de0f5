"""JSON as every part of Strata has it: a number that comes in is the same one wherever it is read again.

Whole numbers are `int` where 64 bits hold them, and `float` beyond, as `orjson` reads them from messages, files and
requests. The database has no such bounds, and writes 1e+20 as 100000000000000000000: read by Python's own `json`, that
is an `int` which no answer, file or digest could be written with.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import Any

import orjson
from django.db import models

MIN_INT, MAX_INT = -(2**63), 2**64 - 1
MAX_DIGITS = len(str(MIN_INT))  # of either, a sign included


class JsonDecoder(json.JSONDecoder):
    """`orjson`, for what asks for a decoder: fields of models and of forms."""

    def decode(self, s: str, *_args: Any) -> Any:
        return orjson.loads(str(s))  # forms have kinds of text of their own


class JsonField(models.JSONField):
    """A column of JSON. To migrations it is Django's: they are about the column, and that is the same."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "decoder": JsonDecoder})

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        found = super().from_db_value(value, expression, connection)
        if found is value and isinstance(value, str):  # it was not read: a sum of SQL can be more than any float
            return json.loads(value, parse_int=_bounded, parse_float=_bounded)
        return found

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["decoder"]
        return name, "django.db.models.JSONField" if type(self) is JsonField else path, args, kwargs


def has_64_bits(number: float | Decimal) -> bool:
    """Whether 64 bits are enough for it, if it is whole."""
    return MIN_INT <= number <= MAX_INT


def whole(digits: str) -> int | None:
    """A whole number as it is written; None where 64 bits are not enough."""
    # Thousands of digits take long to read.
    number = int(digits) if len(digits) <= MAX_DIGITS else MAX_INT + 1
    return number if has_64_bits(number) else None


def json_number(number: Decimal) -> int | float:
    """A number of SQL as JSON has it: whole in 64 bits, else a float, the greatest where it is beyond all."""
    if has_64_bits(number) and number == number.to_integral_value():
        return int(number)
    return min(max(float(number), -sys.float_info.max), sys.float_info.max)


def has_nul(value: Any) -> bool:
    """Whether a text or key anywhere in a JSON value holds the character NUL, which no text of the database can."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(has_nul(key) or has_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(map(has_nul, value))


def _bounded(written: str) -> int | float:
    return json_number(Decimal(written))
