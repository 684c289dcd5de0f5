"""Measures: one number from the events of a profile, as an aggregate on Event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from django.db.models import (
    Avg,
    BigIntegerField,
    Case,
    Count,
    DecimalField,
    F,
    Func,
    Max,
    Min,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, TruncDate
from django.utils.timezone import get_default_timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cdp.rules.errors import WRONG, Place
from cdp.rules.forms import Form, absent, constant, form_of, variant, variants
from cdp.rules.operands import JsonOperand
from cdp.rules.shapes import Choice, OneOf, Schema, Shape
from cdp.rules.sql import AsNumber, At, DoubleAsNumber, Happened, Sql
from cdp.rules.types import ValueType
from profiles.models import Event
from profiles.operators.properties import (
    VALUE,
    ItemsOf,
    Property,
    PropertyCondition,
    PropertyShape,
    conditions_on_events,
    items_of,
)

Test: TypeAlias = Callable[[Sql], Sql]
"""The test of a number; it may be NULL where that is missing, which HAVING takes for false."""

AGGREGATES = {"sum": Sum, "avg": Avg, "min": Min, "max": Max}
OF_A_PROPERTY = (*AGGREGATES, "distinct")
SUBJECTS = {
    "count": gettext_lazy("the number of %(events)s"),
    "days": gettext_lazy("the number of days with %(events)s"),
    "sum": gettext_lazy("the sum of %(property)s over %(events)s"),
    "avg": gettext_lazy("the average of %(property)s over %(events)s"),
    "min": gettext_lazy("the least %(property)s of %(events)s"),
    "max": gettext_lazy("the greatest %(property)s of %(events)s"),
    "distinct": gettext_lazy("the number of different values of %(property)s in %(events)s"),
}


@dataclass(frozen=True)
class Measure:
    """`count`, `days` (distinct business days), or a property's sum, avg, min, max or number of distinct values."""

    kind: str
    of: Property | None = None

    @property
    def is_never_missing(self) -> bool:
        """Whether it is 0 where there are no events, rather than missing."""
        return self.kind in ("count", "days", "sum", "distinct")

    def conditions_on_events(self, where: Sequence[PropertyCondition], now: datetime) -> list[Sql]:
        """Those of `where` that choose events; the others choose elements of the list that is measured."""
        return conditions_on_events([each for each in where if not self._chooses_items(each)], now)

    def among(self, events: QuerySet[Event], where: Sequence[PropertyCondition], test: Test, now: datetime) -> Any:
        """The profiles of whose measure the test holds, of those that have something to measure, by their events, which
        meet the conditions above.
        """
        if self.of is not None and self.of.is_through_lists:
            items = self._items(self.of, where, now)
            return items.select(Happened("profile_id", BigIntegerField()), events, having=test(self._over(items.value)))
        groups = events.values("profile_id").annotate(measured=self._aggregate())
        return Subquery(groups.filter(Q(test(F("measured")))).values("profile_id"))

    def of_one(self, events: QuerySet[Event], where: Sequence[PropertyCondition], now: datetime) -> Any:
        """The measure of one profile's events, which meet the conditions above, beside other aggregates of them."""
        if self.of is not None and self.of.is_through_lists:
            items = self._items(self.of, where, now)
            return items.select(self._over(items.value), events)
        return self._aggregate()

    def describe(self, events: str) -> str:
        """Such as "the sum of price over “Order Completed” in the last 30 days"."""
        return str(SUBJECTS[self.kind]) % {"events": events, "property": self.of or ""}

    def _aggregate(self) -> Any:
        if self.of is None:
            return Count("*") if self.kind == "count" else Count(_business_day(), distinct=True)
        if self.of.path[0] == VALUE and self.kind in ("min", "max"):
            return AsNumber(AGGREGATES[self.kind]("value"))  # one of them, rather than each, as a decimal
        value = _values(self.of, self.kind)
        if self.kind == "distinct":
            return Count(value, distinct=True)
        total = AGGREGATES[self.kind](value)
        return Coalesce(total, Value(0), output_field=DecimalField()) if self.kind == "sum" else total

    def _chooses_items(self, condition: PropertyCondition) -> bool:
        """Whether the condition speaks of the list through which the measured path leads."""
        if self.of is None or not self.of.is_through_lists:
            return False
        return condition.key.is_through_lists and condition.key.path[0] == self.of.path[0]

    def _items(self, of: Property, where: Sequence[PropertyCondition], now: datetime) -> ItemsOf:
        chosen = [each for each in where if self._chooses_items(each)]
        return items_of(of, None if self.kind == "distinct" else ValueType.NUMBER, chosen, now)

    def _over(self, items: Sql) -> Sql:
        """The aggregate of items, of any type for `distinct`, else of numbers."""
        if self.kind == "distinct":
            return Func(items, template="count(DISTINCT %(expressions)s)", output_field=DecimalField())
        total = Func(AsNumber(items), function=self.kind, output_field=DecimalField())
        return Coalesce(total, Value(0), output_field=DecimalField()) if self.kind == "sum" else total


class MeasureShape(Shape):
    """`"count"`, `"days"` or `{"sum": property}`, read as a Measure."""

    of_property = Choice({kind: PropertyShape() for kind in OF_A_PROPERTY})

    def read(self, raw: Any, at: Place) -> Any:
        if raw in ("count", "days"):
            return Measure(raw)
        if not isinstance(raw, dict):
            return at.report(_("must be count, days, or an object with one of: %(kinds)s") % _KINDS)
        chosen = self.of_property.read(raw, at)
        return WRONG if chosen is WRONG else Measure(*chosen)

    def n_conditions(self, value: Measure) -> int:
        return PropertyShape().n_conditions(value.of) if value.of else 0

    def schema(self) -> Schema:
        return {"anyOf": [OneOf(("count", "days")).schema(), self.of_property.schema()]}


CHOICES = {
    "days": gettext_lazy("number of days"),
    "sum": gettext_lazy("sum of …"),
    "avg": gettext_lazy("average of …"),
    "min": gettext_lazy("least …"),
    "max": gettext_lazy("greatest …"),
    "distinct": gettext_lazy("number of different …"),
}


@form_of.register
def _form(shape: MeasureShape) -> Form:
    of_property = [variant(CHOICES[kind], **{kind: PropertyShape()}) for kind in OF_A_PROPERTY]
    how_often = gettext_lazy("number of times")
    return variants([absent(how_often), constant(CHOICES["days"], "days"), *of_property])


_KINDS = {"kinds": ", ".join(OF_A_PROPERTY)}


def _business_day() -> Any:
    return TruncDate("occurred_at", tzinfo=get_default_timezone())


def _values(measured: Property, kind: str) -> Any:
    """What to aggregate: numbers, or any values for `distinct`; NULL where there is none."""
    if measured.is_built_in:
        # Decimal, so that the sum is exact and does not depend on the order in which events are read.
        is_float = measured.path[0] == VALUE and kind != "distinct"
        return DoubleAsNumber(F("value")) if is_float else measured.column()
    found = At(F("properties"), measured.path[0])
    operand = JsonOperand(found, None if kind == "distinct" else ValueType.NUMBER)
    is_present: Any = operand.present()
    return Case(When(is_present, then=found if kind == "distinct" else AsNumber(found)))
