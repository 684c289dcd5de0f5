"""Words for dates and times. Each comes down to spans of business days, or of instants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import DateTimeField, Func, IntegerField, TextField, Value
from django.utils.translation import gettext_lazy as _

from cdp.rules.days import (
    DAY,
    Days,
    after_until,
    anniversaries,
    business_day,
    last_days,
    length_of,
    next_days,
    years_since,
)
from cdp.rules.operands import Bounds, Operand
from cdp.rules.shapes import DAYS, SPAN, Day, Pair, Span, WholeNumber
from cdp.rules.slab import Slab, both_days, month_days, passing, turned
from cdp.rules.sql import FALSE, Infix, Sql, every
from cdp.rules.words.base import PRESENCE, Word

MAX_YEARS = 9_999


def within(operand: Operand, bounds: Sequence[Bounds]) -> Sql:
    """Whether the moment lies in one of some spans, which are in order and apart."""
    if not bounds:
        return FALSE
    if len(bounds) > 1:
        return _between_edges(operand, [edge for edge in chain.from_iterable(bounds) if edge is not None])
    start, end = bounds[0]
    sides = [(">=", start), ("<", end)]
    return every([Infix(sign, operand.moment, edge) for sign, edge in sides if edge is not None])


def _between_edges(operand: Operand, edges: list[Value]) -> Sql:
    """Whether an odd number of the edges lie at or before the moment: one binary search, whatever their number."""
    field = DateTimeField() if isinstance(edges[0].value, datetime) else TextField()
    array = Value([edge.value for edge in edges], output_field=ArrayField(field))
    place = Func(operand.moment, array, function="width_bucket", output_field=IntegerField())
    return Infix("=", Infix("%%", place, Value(2)), Value(1))


def of_days(days: Callable[[Any, date], list[Days]]) -> Callable[[Operand, Any, datetime], Sql]:
    """A test by whole business days, found from the value and today."""
    return lambda operand, value, now: within(
        operand, [operand.bounds_of_days(span) for span in days(value, business_day(now))]
    )


def turn_of_days(days: Callable[[Any, date], list[Days]]) -> Callable[[Any, datetime, datetime], Slab]:
    """The clock of such a test: what joins or leaves over midnight."""

    def clock(value: Any, after: datetime, until: datetime) -> Slab:
        before, today = both_days(after, until)
        return Slab(days=turned(days(value, before), days(value, today)))

    return clock


def last_span(operand: Operand, span: tuple[str, int], now: datetime) -> Sql:
    return within(operand, [operand.bounds_of_period(after_until(now - length_of(span), now))])


def next_span(operand: Operand, span: tuple[str, int], now: datetime) -> Sql:
    return within(operand, [operand.bounds_of_period(after_until(now, now + length_of(span)))])


def turn_of_last_span(span: tuple[str, int], after: datetime, until: datetime) -> Slab:
    return Slab(passing(after, until, -length_of(span)), coming=passing(after, until, timedelta()))


def turn_of_next_span(span: tuple[str, int], after: datetime, until: datetime) -> Slab:
    return Slab(passing(after, until, length_of(span)), coming=passing(after, until, timedelta()))


def turn_of_anniversaries(span: tuple[str, int], after: datetime, until: datetime) -> Slab:
    before, today = (month_days(next_days(span[1], day)) for day in both_days(after, until))
    return Slab(month_days=before ^ today)


def days_in_last(span: tuple[str, int], today: date) -> list[Days]:
    return [last_days(span[1], today)]


def days_in_next(span: tuple[str, int], today: date) -> list[Days]:
    return [next_days(span[1], today)]


def days_years_ago(years: tuple[int, int], today: date) -> list[Days]:
    return years_since(years[0], years[1], today)


IN_LAST = _("%(subject)s lies in the last %(value)s")
NOT_IN_LAST = _("%(subject)s does not lie in the last %(value)s")
IN_NEXT = _("%(subject)s lies in the next %(value)s")

SHARED = {
    "on": Word(Day(), _("%(subject)s is on %(value)s"), of_days(lambda day, today: [Days(day, day)])),
    "before": Word(Day(), _("%(subject)s is before %(value)s"), of_days(lambda day, today: [Days(None, day - DAY)])),
    "after": Word(Day(), _("%(subject)s is after %(value)s"), of_days(lambda day, today: [Days(day + DAY, None)])),
    "between": Word(
        Pair(Day()),
        _("%(subject)s is from %(low)s to %(high)s"),
        of_days(lambda days, today: [Days(*days)]),
        short=_("is between"),
    ),
    "anniversary_in_next": Word(
        Span({"days": WholeNumber(1, 366)}),
        _("the anniversary of %(subject)s is in the next %(value)s"),
        of_days(lambda span, today: anniversaries(next_days(span[1], today))),
        clock=turn_of_anniversaries,
        short=_("has its anniversary in the next"),
    ),
    "years_between": Word(
        Pair(WholeNumber(0, MAX_YEARS)),
        _("%(subject)s is from %(low)s to %(high)s years ago"),
        of_days(days_years_ago),
        clock=turn_of_days(days_years_ago),
        short=_("is so many years ago"),
    ),
}
DATE_SPAN = Span({"days": DAYS})

DATE = {
    **SHARED,
    "in_last": Word(DATE_SPAN, IN_LAST, of_days(days_in_last), clock=turn_of_days(days_in_last)),
    "not_in_last": Word(DATE_SPAN, NOT_IN_LAST, denies="in_last"),
    "in_next": Word(DATE_SPAN, IN_NEXT, of_days(days_in_next), clock=turn_of_days(days_in_next)),
    **PRESENCE,
}
DATETIME = {
    **SHARED,
    "in_last": Word(SPAN, IN_LAST, last_span, clock=turn_of_last_span),
    "not_in_last": Word(SPAN, NOT_IN_LAST, denies="in_last"),
    "in_next": Word(SPAN, IN_NEXT, next_span, clock=turn_of_next_span),
    **PRESENCE,
}
