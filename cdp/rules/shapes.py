"""Shapes: what JSON may stand at a place of a rule. They read it, report what is wrong, and show it to people.

`read` returns the value as the operator keeps it, or `WRONG` after noting the problem at its place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from cdp.rules.errors import WRONG, Place
from cdp.values import isolated

MAX_NAME, MAX_TEXT, MAX_ITEMS = 200, 10_000, 5_000
MAX_SHOWN = 20  # items of a list, in a sentence
MAX_NUMBER = 10**100  # a double column takes it; no measure of a person comes near
MAX_SPAN_DAYS = 36_500  # a hundred years
FIRST_DAY, LAST_DAY = date(1000, 1, 1), date(9998, 12, 31)  # their neighbours are dates in any time zone


class Name(NamedTuple):
    """A name in a rule, of something that a catalogue of this kind knows."""

    kind: str
    name: str
    at: Place


Schema = dict[str, Any]  # JSON Schema, of the part that OpenAPI 3.0 knows too


class Shape(ABC):
    """One kind of JSON value."""

    @abstractmethod
    def read(self, raw: Any, at: Place) -> Any:
        """The value, or `WRONG` after noting why."""

    def show(self, value: Any) -> str:
        """The value as people read it, in the active language."""
        return str(value)

    def names(self, value: Any, at: Place) -> Iterator[Name]:
        """The names in a value that was read, which the catalogues must know."""
        return iter(())

    def n_conditions(self, value: Any) -> int:
        """How many conditions of their own a value holds that was read."""
        return 0

    @abstractmethod
    def schema(self) -> Schema:
        """What `read` accepts. Names that must be known, values in an order and real dates it cannot say."""


class Anything(Shape):
    """A value whose shape depends on others; the operator reads it further."""

    def read(self, raw: Any, at: Place) -> Any:
        return raw

    def schema(self) -> Schema:
        return {}


@dataclass(frozen=True)
class Text(Shape):
    """A string that PostgreSQL can hold."""

    most: int = MAX_TEXT
    least: int = 0

    def read(self, raw: Any, at: Place) -> Any:
        if not isinstance(raw, str):
            return at.report(_("must be text"))
        if not self.least <= len(raw) <= self.most:
            return at.report(_("must have %(least)d to %(most)d characters") % {"least": self.least, "most": self.most})
        if "\x00" in raw or any("\ud800" <= character <= "\udfff" for character in raw):
            return at.report(_("must not contain a NUL or half of a surrogate pair"))
        return raw

    def show(self, value: str) -> str:
        return _("“%(text)s”") % {"text": isolated(value)}

    def schema(self) -> Schema:
        return {"type": "string", "minLength": self.least, "maxLength": self.most}


NAME = Text(least=1, most=MAX_NAME)


@dataclass(frozen=True)
class NameOf(Shape):
    """A name that the catalogue of a kind must know, such as that of an `attribute`."""

    kind: str

    def read(self, raw: Any, at: Place) -> Any:
        return NAME.read(raw, at)

    def names(self, value: str, at: Place) -> Iterator[Name]:
        yield Name(self.kind, value, at)

    def schema(self) -> Schema:
        return {**NAME.schema(), "x-name-of": self.kind}


@dataclass(frozen=True)
class OneOf(Shape):
    """One of a few words; `labels` say what they are called where they are to be chosen."""

    words: Sequence[str]
    labels: Mapping[str, Promise | str] = field(default_factory=dict)

    def read(self, raw: Any, at: Place) -> Any:
        if raw in self.words and isinstance(raw, str):
            return raw
        return at.report(_("must be one of: %(words)s") % {"words": ", ".join(self.words)})

    def schema(self) -> Schema:
        return {"type": "string", "enum": list(self.words)}


class Number(Shape):
    """A finite number; true and false are none."""

    def read(self, raw: Any, at: Place) -> Any:
        if isinstance(raw, bool) or not isinstance(raw, int | float):
            return at.report(_("must be a number"))
        if not -MAX_NUMBER <= raw <= MAX_NUMBER:  # NaN is neither
            return at.report(_("must be a finite number of at most 100 digits"))
        return raw

    def schema(self) -> Schema:
        return {"type": "number", "minimum": float(-MAX_NUMBER), "maximum": float(MAX_NUMBER)}


class Percent(Number):
    """A number from 0 to 100."""

    def read(self, raw: Any, at: Place) -> Any:
        number = super().read(raw, at)
        return number if number is WRONG or 0 <= number <= 100 else at.report(_("must be from 0 to 100"))

    def schema(self) -> Schema:
        return {"type": "number", "minimum": 0, "maximum": 100}


@dataclass(frozen=True)
class WholeNumber(Shape):
    """An integer from `least` to `most`."""

    least: int
    most: int

    def read(self, raw: Any, at: Place) -> Any:
        is_whole = isinstance(raw, int) or (isinstance(raw, float) and raw.is_integer())
        if isinstance(raw, bool) or not is_whole or not self.least <= raw <= self.most:
            return at.report(
                _("must be a whole number from %(least)d to %(most)d") % {"least": self.least, "most": self.most}
            )
        return int(raw)

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


DAYS = WholeNumber(1, MAX_SPAN_DAYS)
HOURS = WholeNumber(1, MAX_SPAN_DAYS * 24)


class TrueOrFalse(Shape):
    """A JSON boolean."""

    def read(self, raw: Any, at: Place) -> Any:
        return raw if isinstance(raw, bool) else at.report(_("must be true or false"))

    def show(self, value: bool) -> str:
        return _("yes") if value else _("no")

    def schema(self) -> Schema:
        return {"type": "boolean"}


class Scalar(Shape):
    """What an element of a list may be: text, number or boolean."""

    def read(self, raw: Any, at: Place) -> Any:
        if isinstance(raw, bool):
            return raw
        if isinstance(raw, str):
            return Text().read(raw, at)
        if isinstance(raw, int | float):
            return Number().read(raw, at)
        return at.report(_("must be text, a number, true or false"))

    def show(self, value: Any) -> str:
        if isinstance(value, bool):
            return TrueOrFalse().show(value)
        return Text().show(value) if isinstance(value, str) else str(value)

    def schema(self) -> Schema:
        return {"anyOf": [shape.schema() for shape in (Text(), Number(), TrueOrFalse())]}


class Day(Shape):
    """A date `YYYY-MM-DD`."""

    def read(self, raw: Any, at: Place) -> Any:
        try:
            day = date.fromisoformat(raw)
        except (TypeError, ValueError):
            return at.report(_("must be a date such as 2026-01-31"))
        if raw != day.isoformat():
            return at.report(_("must be a date such as 2026-01-31"))
        if not FIRST_DAY <= day <= LAST_DAY:
            return at.report(_("must be a date from %(first)s to %(last)s") % {"first": FIRST_DAY, "last": LAST_DAY})
        return day

    def schema(self) -> Schema:
        return {"type": "string", "format": "date"}


@dataclass(frozen=True)
class ListOf(Shape):
    """A list of one shape that is not empty."""

    item: Shape
    least: int = 1
    most: int = MAX_ITEMS

    def read(self, raw: Any, at: Place) -> Any:
        if not isinstance(raw, list):
            return at.report(_("must be a list"))
        if not raw:
            return at.report(_("must not be empty"))
        if not self.least <= len(raw) <= self.most:
            return at.report(_("must have %(least)d to %(most)d entries") % {"least": self.least, "most": self.most})
        items = tuple(self.item.read(item, at.item(index)) for index, item in enumerate(raw))
        return WRONG if WRONG in items else items

    def show(self, value: Sequence[Any]) -> str:
        """All, or the first and how many more: a list may have thousands."""
        n_more = len(value) - MAX_SHOWN
        shown = pgettext("between values", ", ").join(self.item.show(item) for item in value[:MAX_SHOWN])
        if n_more <= 0:
            return shown
        return ngettext("%(shown)s and %(n)d more", "%(shown)s and %(n)d more", n_more) % {"shown": shown, "n": n_more}

    def names(self, value: Sequence[Any], at: Place) -> Iterator[Name]:
        for index, item in enumerate(value):
            yield from self.item.names(item, at.item(index))

    def n_conditions(self, value: Sequence[Any]) -> int:
        return sum(map(self.item.n_conditions, value))

    def schema(self) -> Schema:
        return {"type": "array", "items": self.item.schema(), "minItems": self.least, "maxItems": self.most}


@dataclass(frozen=True)
class Pair(Shape):
    """`[from, to]`, in order."""

    item: Shape

    def read(self, raw: Any, at: Place) -> Any:
        if not isinstance(raw, list) or len(raw) != 2:
            return at.report(_("must be a list of two: from and to"))
        low, high = (self.item.read(item, at.item(index)) for index, item in enumerate(raw))
        if low is WRONG or high is WRONG:
            return WRONG
        if low > high:
            return at.report(_("from must not be greater than to"))
        return low, high

    def schema(self) -> Schema:
        return {"type": "array", "items": self.item.schema(), "minItems": 2, "maxItems": 2}


@dataclass(frozen=True)
class Fields(Shape):
    """An object with known keys; every key that is not known is an error, and so is a required one that is absent."""

    shapes: Mapping[str, Shape]
    optional: frozenset[str] = frozenset()

    def read(self, raw: Any, at: Place) -> Any:
        if not isinstance(raw, dict):
            return at.report(_("must be an object"))
        values = self.read_each(raw, at)
        return WRONG if raw.keys() - self.shapes.keys() or WRONG in values.values() else values

    def read_each(self, raw: Mapping[str, Any], at: Place) -> dict[str, Any]:
        """The values by key, each by itself: `WRONG` for what cannot be read, and what is required but absent."""
        for key in raw:
            if key not in self.shapes:
                at.key(key).report(_("unknown key; known: %(keys)s") % {"keys": ", ".join(self.shapes)})
        for key in self.shapes:
            if key not in raw and key not in self.optional:
                at.key(key).report(_("is required"))
        values = {key: shape.read(raw[key], at.key(key)) for key, shape in self.shapes.items() if key in raw}
        return values | {key: WRONG for key in self.shapes if key not in raw and key not in self.optional}

    def names(self, value: Mapping[str, Any], at: Place) -> Iterator[Name]:
        for key, inner in value.items():
            yield from self.shapes[key].names(inner, at.key(key))

    def n_conditions(self, value: Mapping[str, Any]) -> int:
        return sum(self.shapes[key].n_conditions(inner) for key, inner in value.items())

    def schema(self) -> Schema:
        required = [key for key in self.shapes if key not in self.optional]
        return {
            "type": "object",
            "properties": {key: shape.schema() for key, shape in self.shapes.items()},
            **({"required": required} if required else {}),
            "additionalProperties": False,
        }


@dataclass(frozen=True)
class Choice(Shape):
    """An object with exactly one of some keys; read as (key, value)."""

    shapes: Mapping[str, Shape]

    def read(self, raw: Any, at: Place) -> Any:
        if not isinstance(raw, dict) or len(raw) != 1:
            return at.report(_("must be an object with one of: %(keys)s") % {"keys": ", ".join(self.shapes)})
        ((key, value),) = raw.items()
        if key not in self.shapes:
            return at.key(key).report(_("unknown key; known: %(keys)s") % {"keys": ", ".join(self.shapes)})
        value = self.shapes[key].read(value, at.key(key))
        return WRONG if value is WRONG else (key, value)

    def schema(self) -> Schema:
        return {
            "type": "object",
            "properties": {key: shape.schema() for key, shape in self.shapes.items()},
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
        }


class Span(Choice):
    """`{"days": n}` or `{"hours": n}`."""

    def show(self, value: tuple[str, int]) -> str:
        return show_span(value)


SPAN = Span({"days": DAYS, "hours": HOURS})


def show_span(span: tuple[str, int]) -> str:
    """`("days", 7)` as "7 days"."""
    unit, n = span
    if unit == "days":
        return ngettext("%(n)d day", "%(n)d days", n) % {"n": n}
    return ngettext("%(n)d hour", "%(n)d hours", n) % {"n": n}
