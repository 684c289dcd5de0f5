"""Properties of events: conditions on them, and numbers measured from them.

Keys are dotted paths. Where a path leads through a list of objects, the conditions on that list hold for one element,
and a measure takes each element that meets them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import F, QuerySet
from django.db.models.functions import ExtractHour, ExtractIsoWeekDay
from django.utils.timezone import get_default_timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from cdp.json_field import JsonField
from cdp.rules.base import Cover
from cdp.rules.comparison import Comparison, comparison_schema, read_comparison
from cdp.rules.errors import WRONG, Place, Wrong
from cdp.rules.forms import Form, form_of
from cdp.rules.operands import ColumnOperand, JsonOperand
from cdp.rules.shapes import NAME, Anything, Fields, Schema, Shape, Text
from cdp.rules.sql import At, FromItems, Happened, Item, Sql, any_item
from cdp.rules.types import ValueType, type_of
from cdp.rules.words import WORDS
from profiles.models import Event

MAX_PATH = (
    10  # names; Django builds about 250 of the queries below in a second, PostgreSQL plans them for each partition
)
VALUE, HOUR, WEEKDAY = "$value", "$hour", "$weekday"
BUILT_IN = {
    VALUE: pgettext_lazy("of an event", "value"),
    HOUR: gettext_lazy("hour"),
    WEEKDAY: gettext_lazy("weekday (1 is Monday)"),
}
# Properties have no definition: their type is that of the rule's value, one of those that JSON can tell apart.
TYPES = (ValueType.TEXT, ValueType.NUMBER, ValueType.BOOLEAN, ValueType.LIST)


@dataclass(frozen=True)
class Property:
    """A dotted path into the properties, or one of the built-in names."""

    path: tuple[str, ...]

    @property
    def is_built_in(self) -> bool:
        return self.path[0] in BUILT_IN and len(self.path) == 1

    @property
    def is_through_lists(self) -> bool:
        """Whether there may be many values, below a list of objects."""
        return len(self.path) > 1

    def column(self) -> Any:
        """The expression of a built-in one, on Event."""
        match self.path[0]:
            case "$value":
                return F("value")
            case "$hour":
                return ExtractHour("occurred_at", tzinfo=get_default_timezone())
            case _weekday:
                return ExtractIsoWeekDay("occurred_at", tzinfo=get_default_timezone())

    def __str__(self) -> str:
        return str(BUILT_IN[self.path[0]]) if self.is_built_in else ".".join(self.path)


class PropertyShape(Shape):
    """A dotted path, read as a Property."""

    def read(self, raw: Any, at: Place) -> Any:
        text = NAME.read(raw, at)
        if text is WRONG:
            return WRONG
        path = tuple(text.split("."))
        if not all(path):
            return at.report(_("must be names with a dot between them"))
        if len(path) > MAX_PATH:
            return at.report(_("must have at most %(most)d names with a dot between them") % {"most": MAX_PATH})
        return Property(path)

    def n_conditions(self, value: Property) -> int:
        """One for each name past the second: every list on the way is a query inside the one before."""
        return max(0, len(value.path) - 2)

    def schema(self) -> Schema:
        return {**NAME.schema(), "pattern": rf"^[^.]+(\.[^.]+){{0,{MAX_PATH - 1}}}$"}


@dataclass(frozen=True)
class PropertyCondition:
    """One item of `where`."""

    key: Property
    comparison: Comparison

    def covered(self, cover: Cover) -> PropertyCondition:
        shown = cover({"key": ".".join(self.key.path), "value": self.comparison.value})
        return replace(self, comparison=replace(self.comparison, cover=shown))

    def describe(self) -> str:
        return self.comparison.describe(str(self.key))


class WhereShape(Shape):
    """`[{"key", "is", "value"}, …]`, read as PropertyConditions; an empty list asks nothing."""

    item = Fields({"key": PropertyShape(), "is": Text(), "value": Anything()}, optional=frozenset({"value"}))

    def read(self, raw: Any, at: Place) -> Any:
        if not isinstance(raw, list):
            return at.report(_("must be a list"))
        conditions = tuple(self._read_item(item, at.item(index)) for index, item in enumerate(raw))
        return WRONG if WRONG in conditions else conditions

    def n_conditions(self, value: Sequence[PropertyCondition]) -> int:
        path = self.item.shapes["key"]
        return sum(1 + path.n_conditions(condition.key) for condition in value)

    def schema(self) -> Schema:
        return {"type": "array", "items": {**self.item.schema(), **comparison_schema([*TYPES, None])}}

    def _read_item(self, raw: Any, at: Place) -> PropertyCondition | Wrong:
        if not isinstance(raw, dict):
            return at.report(_("must be an object"))
        n_problems = len(at.problems)
        given = self.item.read_each(raw, at)
        if WRONG in (given["key"], given["is"]):
            return WRONG
        type_ = ValueType.NUMBER if given["key"].is_built_in else _type_asked(given, at)
        if isinstance(type_, Wrong):
            return type_
        comparison = read_comparison(given, type_, at)
        if isinstance(comparison, Wrong) or len(at.problems) > n_problems:
            return WRONG
        return PropertyCondition(given["key"], comparison)


@form_of.register
def _property_form(shape: PropertyShape) -> Form:
    return {"input": "property", "built_in": [{"value": key, "label": str(label)} for key, label in BUILT_IN.items()]}


@form_of.register
def _where_form(shape: WhereShape) -> Form:
    types = [{"value": type_.value, "label": str(type_.label)} for type_ in TYPES]
    return {"input": "where", "property": form_of(PropertyShape()), "types": types}


def _type_asked(given: dict[str, Any], at: Place) -> ValueType | Wrong | None:
    """The type that `is` and the value ask of a property; None where any will do."""
    word = given["is"]
    if word in WORDS[None]:
        return None
    types = [type_ for type_ in TYPES if word in WORDS[type_]]
    value = given.get("value")
    asked = type_of(value[0] if isinstance(value, list) and value else value)
    if not types:
        fitting = WORDS[asked if asked in TYPES else None]
        return at.key("is").report(
            _("“%(word)s” does not fit a property with such a value; known: %(words)s")
            % {"word": word, "words": ", ".join(fitting)}
        )
    if len(types) == 1:
        return types[0]
    if asked in types:
        return asked
    if "value" not in given or value == []:
        return types[0]  # the word's own check says what is missing
    return at.key("value").report(_("must be of the type: %(types)s") % {"types": ", ".join(types)})


def conditions_on_events(conditions: Iterable[PropertyCondition], now: datetime) -> list[Sql]:
    """The conditions as SQL on Event, none of them ever NULL."""
    built_in = [each for each in conditions if each.key.is_built_in]
    found = [each.comparison.holds(ColumnOperand(each.key.column()), now) for each in built_in]
    tails = [(each.key.path, each.comparison) for each in conditions if not each.key.is_built_in]
    return found + _hold(F("properties"), tails, now, depth=0)


def _hold(
    document: Sql, conditions: Sequence[tuple[tuple[str, ...], Comparison]], now: datetime, *, depth: int
) -> list[Sql]:
    """Conditions on a document by their paths in it; those that go on under one key hold for one element there."""
    found: list[Sql] = []
    below: defaultdict[str, list[tuple[tuple[str, ...], Comparison]]] = defaultdict(list)
    for (key, *rest), comparison in conditions:
        if rest:
            below[key].append((tuple(rest), comparison))
        else:
            found.append(comparison.holds(JsonOperand(At(document, key), comparison.type), now))
    for key, inner in below.items():
        held = _hold(Item(depth), inner, now, depth=depth + 1)
        found.append(any_item(At(document, key), held, depth=depth))
    return found


class ItemsOf(NamedTuple):
    """The values at the end of a path through `lists`, where all `conditions` hold, of events as in FromItems."""

    value: Sql
    lists: Sequence[Sql]
    conditions: Sequence[Sql]

    def select(self, what: Sql, events: QuerySet[Event], *, having: Sql | None = None) -> FromItems:
        """Of all the events; with `having`, a row for each profile of which it holds."""
        return FromItems(what, self.lists, self.conditions, depth=0, events=events, having=having)


def items_of(
    measured: Property, type_: ValueType | None, conditions: Sequence[PropertyCondition], now: datetime
) -> ItemsOf:
    """The values of `type_` at the end of a path through lists.

    `conditions` go through the first list of the path; those on the elements above the measured value choose them.
    """
    *keys, last = measured.path
    chosen = [(each.key.path, each.comparison) for each in conditions]
    document: Sql = Happened("properties", JsonField())
    lists, held = [], []
    for depth, key in enumerate(keys):
        aside = [(path, comparison) for path, comparison in chosen if path[0] != key or len(path) == 1]
        held += _hold(document, aside, now, depth=depth)
        chosen = [(path[1:], comparison) for path, comparison in chosen if path[0] == key and len(path) > 1]
        lists.append(At(document, key))
        document = Item(depth)
    held += _hold(document, chosen, now, depth=len(keys))
    value = At(document, last)
    held.append(JsonOperand(value, type_).present())
    return ItemsOf(value, lists, held)
