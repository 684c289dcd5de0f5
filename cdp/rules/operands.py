"""Operands: the left side of a comparison, as SQL. A value of another type than asked is missing, and never cast."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeAlias

from django.db.models import BooleanField, Func, Value
from django.db.models.functions import Collate

from cdp.rules.days import DAY, Days, Period, period_of
from cdp.rules.sql import AsText, Infix, JsonType, Sql, json_array, json_value, number_array
from cdp.rules.types import JSON_TYPES, ValueType

Bounds: TypeAlias = tuple[Value | None, Value | None]


@dataclass(frozen=True)
class Operand(ABC):
    """A value in a row. The methods after `present` are asked only where it is present."""

    expression: Sql

    @abstractmethod
    def present(self) -> Sql:
        """Whether there is a value of the operand's type; may be NULL where there is none."""

    @abstractmethod
    def number(self, value: float) -> Value:
        """A parameter to compare `expression` with."""

    @abstractmethod
    def numbers(self, values: Sequence[float]) -> Sql:
        """The same for many: one array parameter, whatever its length."""

    @property
    @abstractmethod
    def moment(self) -> Sql:
        """What to compare with the bounds below."""

    @abstractmethod
    def bounds_of_days(self, days: Days) -> Bounds:
        """Start, included, and end, left out, as parameters; None is without end."""

    @abstractmethod
    def bounds_of_period(self, period: Period) -> Bounds:
        """As above, of instants."""


@dataclass(frozen=True)
class JsonOperand(Operand):
    """A JSON value of a type, or of any where `type` is None."""

    type: ValueType | None

    def present(self) -> Sql:
        if self.type is None:
            return Infix("<>", JsonType(self.expression), Value("null"))
        return Infix("=", JsonType(self.expression), Value(JSON_TYPES[self.type]))

    def number(self, value: float) -> Value:
        return json_value(value)

    def numbers(self, values: Sequence[float]) -> Sql:
        return json_array(values)

    @property
    def moment(self) -> Sql:
        return Collate(AsText(self.expression), "C")  # text of one width orders by time, byte by byte

    def bounds_of_days(self, days: Days) -> Bounds:
        if self.type is ValueType.DATETIME:
            return self.bounds_of_period(period_of(days))
        first, last = days
        return _param(first.isoformat() if first else None), _param((last + DAY).isoformat() if last else None)

    def bounds_of_period(self, period: Period) -> Bounds:
        start, end = period
        return _param(stored(start) if start else None), _param(stored(end) if end else None)


@dataclass(frozen=True)
class ColumnOperand(Operand):
    """A number or a time of a column, or of an aggregate."""

    def present(self) -> Sql:
        return Func(self.expression, template="%(expressions)s IS NOT NULL", output_field=BooleanField())

    def number(self, value: float) -> Value:
        return Value(Decimal(repr(value)))

    def numbers(self, values: Sequence[float]) -> Sql:
        return number_array([Decimal(repr(value)) for value in values])

    @property
    def moment(self) -> Sql:
        return self.expression

    def bounds_of_days(self, days: Days) -> Bounds:
        return self.bounds_of_period(period_of(days))

    def bounds_of_period(self, period: Period) -> Bounds:
        return _param(period.start), _param(period.end)


def stored(moment: datetime) -> str:
    """A time as the golden record keeps it: UTC, of fixed width."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _param(value: str | datetime | None) -> Value | None:
    return None if value is None else Value(value)
