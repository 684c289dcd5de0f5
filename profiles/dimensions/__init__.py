"""Dimensions: what people can be divided by, for portraits of segments.

Each app brings its own in `<app>/dimensions/`, one kind a file. `by` names one as `kind:name`, such as
`attribute:city`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from cdp.rules.types import ValueType
from profiles.masking import Masking

Statement: TypeAlias = tuple[str, list[Any]]
RuleJson: TypeAlias = dict[str, Any]


class UnknownDimension(Exception):
    """There is nothing of this name; says what there is."""


class HiddenDimension(Exception):
    """It is personal data, and who asks may not see that."""

    def __init__(self, by: str) -> None:
        super().__init__(_("“%(by)s” is personal data, which your role does not see.") % {"by": by})


@dataclass(frozen=True)
class Dimension(ABC):
    """One way to divide people. `names` are values known beforehand, in their order, with their names.

    Every value, range and lack of a value is also a rule, so that whoever is counted can be listed.
    """

    by: str
    label: str
    type: ValueType
    names: Mapping[Any, str] = field(default_factory=dict)

    @property
    def name_of_empty(self) -> str:
        """What an empty text or list is called."""
        return _("(empty)")

    @abstractmethod
    def statement(self, now: datetime) -> Statement:
        """SELECT profile id, value as jsonb: one row for each value that somebody has, none where it is missing."""

    @abstractmethod
    def with_value(self, value: Any) -> RuleJson | None:
        """The rule of those who have a value; None where the language cannot say it."""

    @abstractmethod
    def with_others(self, values: Sequence[Any]) -> RuleJson | None:
        """The rule of those who have a value that is none of these."""

    @abstractmethod
    def without(self) -> RuleJson | None:
        """The rule of those in whom it is missing."""

    def shown(self, value: Any) -> Any:
        """A value as who asks may see it."""
        return value


@dataclass(frozen=True)
class ComparedDimension(Dimension):
    """What an operator compares by `is` and `value`; `subject` is the rest of such a condition."""

    subject: Mapping[str, Any] = field(default_factory=dict)

    def with_value(self, value: Any) -> RuleJson | None:
        if value == []:
            return None
        return self._is("has" if self.type is ValueType.LIST else "eq", value)

    def with_others(self, values: Sequence[Any]) -> RuleJson | None:
        """Of a list none: it may have one of the values and another beside it."""
        if self.type is ValueType.LIST:
            return None
        return {"all": [self._is("set"), self._is("not_in", list(values))]}

    def without(self) -> RuleJson | None:
        return self._is("unset")

    def within(self, start: Any, end: Any) -> RuleJson:
        """The rule of a range: numbers or days from `start` to before `end`; None is without end, of one side."""
        if self.type is ValueType.NUMBER:
            bounds = [("gte", start), ("lt", end)]
            told = [self._is(word, bound) for word, bound in bounds if bound is not None]
            return told[0] if len(told) == 1 else {"all": told}
        if start is None:
            return self._is("before", _day(end))
        if end is None:
            return self._is("after", _day(start - timedelta(days=1)))
        return self._is("between", [_day(start), _day(end - timedelta(days=1))])

    def _is(self, word: str, *value: Any) -> RuleJson:
        return {**self.subject, "is": word, **({"value": value[0]} if value else {})}


def _day(day: date) -> str:
    return day.isoformat()


@dataclass(frozen=True)
class Choice:
    """A dimension to choose, by its name inside the kind. `is_first`: portraits begin with it."""

    name: str
    label: str
    is_first: bool = False


@dataclass(frozen=True)
class DimensionKind:
    """`offer(masking)` lists what whoever has this masking may choose; `find(name, masking)` gives one.

    `find` raises UnknownDimension and HiddenDimension.
    """

    key: str
    label: Promise | str
    order: int
    offer: Callable[[Masking], list[Choice]]
    find: Callable[[str, Masking], Dimension]


_kinds: dict[str, DimensionKind] = {}


def register_dimension(kind: DimensionKind) -> DimensionKind:
    _kinds[kind.key] = kind
    return kind


def dimension_kinds() -> list[DimensionKind]:
    return sorted(_kinds.values(), key=lambda kind: kind.order)


def find_dimension(by: str, masking: Masking) -> Dimension:
    """The dimension that `by` names, such as `attribute:city`. Raises UnknownDimension and HiddenDimension."""
    kind, colon, name = by.partition(":")
    if not colon or kind not in _kinds:
        known = ", ".join(f"{each.key}:…" for each in dimension_kinds())
        raise UnknownDimension(_("“%(by)s” names no dimension; known: %(known)s") % {"by": by, "known": known})
    return _kinds[kind].find(name, masking)
