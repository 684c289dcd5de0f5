"""Windows: the span of time in which events count. They compile to literal bounds, so that partitions prune."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from cdp.rules.days import DAY, TICK, Days, Period, after_until, business_day, period_of
from cdp.rules.errors import WRONG, Place
from cdp.rules.shapes import DAYS, HOURS, MAX_SPAN_DAYS, Choice, Day, Fields, OneOf, Pair, Schema, Shape, WholeNumber
from cdp.rules.slab import both_days, passing


def _week(day: date) -> Days:
    """Its week, which starts on Monday."""
    monday = day - day.weekday() * DAY
    return Days(monday, monday + 6 * DAY)


def _months(day: date, n_months: int) -> Days:
    """The span of `n_months` of its year that holds the day: a month (1), a quarter (3) or the year (12)."""
    first = date(day.year, (day.month - 1) // n_months * n_months + 1, 1)
    after = first + 31 * n_months * DAY
    return Days(first, date(after.year, after.month, 1) - DAY)


def _before(span: Callable[[date], Days]) -> Callable[[date], Days]:
    """The span just before the one that holds the day."""

    def previous(day: date) -> Days:
        first = span(day).first
        assert first is not None
        return span(first - DAY)

    return previous


def _day(day: date) -> Days:
    return Days(day, day)


CALENDAR: dict[str, Callable[[date], Days]] = {
    "today": _day,
    "yesterday": _before(_day),
    "this_week": _week,
    "last_week": _before(_week),
    "this_month": lambda day: _months(day, 1),
    "last_month": _before(lambda day: _months(day, 1)),
    "this_quarter": lambda day: _months(day, 3),
    "last_quarter": _before(lambda day: _months(day, 3)),
    "this_year": lambda day: _months(day, 12),
    "last_year": _before(lambda day: _months(day, 12)),
}
CALENDAR_WORDS = {
    "today": gettext_lazy("today"),
    "yesterday": gettext_lazy("yesterday"),
    "this_week": gettext_lazy("this week"),
    "last_week": gettext_lazy("last week"),
    "this_month": gettext_lazy("this month"),
    "last_month": gettext_lazy("last month"),
    "this_quarter": gettext_lazy("this quarter"),
    "last_quarter": gettext_lazy("last quarter"),
    "this_year": gettext_lazy("this year"),
    "last_year": gettext_lazy("last year"),
}


@dataclass(frozen=True)
class Window:
    """`kind` is a key of the JSON, `dates` for since and until, or `ever`; `value` as that kind reads it."""

    kind: str
    value: Any = None

    def period(self, now: datetime) -> Period:
        """The instants that count; never any after `now`."""
        start, end = self._uncapped(now)
        until_now = now + TICK
        return Period(start, until_now if end is None else min(end, until_now))

    def _uncapped(self, now: datetime) -> Period:
        match self.kind:
            case "last_days":
                return after_until(now - timedelta(days=self.value), now)
            case "last_hours":
                return after_until(now - timedelta(hours=self.value), now)
            case "days_ago":
                far, near = self.value
                return after_until(now - timedelta(days=far), now - timedelta(days=near))
            case "calendar":
                return period_of(CALENDAR[self.value](business_day(now)))
            case "dates":
                return period_of(self.value)
            case _ever:
                return Period(None, None)

    def clock(self, after: datetime, until: datetime) -> tuple[Period, ...]:
        """When that happened which comes into the window or goes out of it while now goes over (after, until].

        Not what happens in (after, until] itself.
        """
        match self.kind:
            case "last_days":
                return passing(after, until, -timedelta(days=self.value))
            case "last_hours":
                return passing(after, until, -timedelta(hours=self.value))
            case "days_ago":
                far, near = (passing(after, until, -timedelta(days=n)) for n in self.value)
                return far + near if self.value[1] else far
            case "calendar":
                before, now = (CALENDAR[self.value](day) for day in both_days(after, until))
                return () if before == now else (period_of(before), self.period(until))
            case _fixed:
                return ()

    def describe(self) -> str:
        """Such as "in the last 30 days"; "" for ever."""
        match self.kind:
            case "last_days":
                return ngettext("in the last %(n)d day", "in the last %(n)d days", self.value) % {"n": self.value}
            case "last_hours":
                return ngettext("in the last %(n)d hour", "in the last %(n)d hours", self.value) % {"n": self.value}
            case "days_ago":
                far, near = self.value
                return _("from %(far)d to %(near)d days ago") % {"far": far, "near": near}
            case "calendar":
                return str(CALENDAR_WORDS[self.value])
            case "dates":
                return _describe_dates(self.value)
            case _ever:
                return ""


def _describe_dates(days: Days) -> str:
    first, last = days
    if last is None:
        return _("since %(day)s") % {"day": first}
    if first is None:
        return _("until %(day)s") % {"day": last}
    return _("from %(first)s to %(last)s") % {"first": first, "last": last}


EVER = Window("ever")


class DaysAgo(Shape):
    """`[60, 30]`: from the farther to the nearer."""

    def read(self, raw: Any, at: Place) -> Any:
        if not isinstance(raw, list) or len(raw) != 2:
            return at.report(_("must be a list of two: the farther and the nearer number of days"))
        far, near = (WholeNumber(0, MAX_SPAN_DAYS).read(item, at.item(index)) for index, item in enumerate(raw))
        if far is WRONG or near is WRONG:
            return WRONG
        return (far, near) if far > near else at.report(_("the first must be farther back than the second"))

    def schema(self) -> Schema:
        return Pair(WholeNumber(0, MAX_SPAN_DAYS)).schema()


ONE_KEY = Choice({"last_days": DAYS, "last_hours": HOURS, "days_ago": DaysAgo(), "calendar": OneOf(tuple(CALENDAR))})
DATES = Fields({"since": Day(), "until": Day()}, optional=frozenset({"since", "until"}))


class WindowShape(Shape):
    """A window, read as a Window."""

    def read(self, raw: Any, at: Place) -> Any:
        if isinstance(raw, dict) and raw.keys() & DATES.shapes.keys():
            return self._read_dates(raw, at)
        known = ", ".join([*ONE_KEY.shapes, *DATES.shapes])
        if not isinstance(raw, dict) or len(raw) != 1:
            return at.report(_("must be an object with one of: %(keys)s") % {"keys": known})
        if not raw.keys() & ONE_KEY.shapes.keys():
            (key,) = raw
            return at.key(key).report(_("unknown key; known: %(keys)s") % {"keys": known})
        chosen = ONE_KEY.read(raw, at)
        return WRONG if chosen is WRONG else Window(*chosen)

    def schema(self) -> Schema:
        return {"anyOf": [ONE_KEY.schema(), {**DATES.schema(), "minProperties": 1}]}

    def _read_dates(self, raw: Any, at: Place) -> Any:
        dates = DATES.read(raw, at)
        if dates is WRONG:
            return WRONG
        days = Days(dates.get("since"), dates.get("until"))
        if days.first and days.last and days.first > days.last:
            return at.report(_("since must not be later than until"))
        return Window("dates", days)
