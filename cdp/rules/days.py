"""Days of the business zone, and the spans of time that rules speak of.

Inside, every span of time is half-open, [start, end), and None is without end. Both PostgreSQL and the golden record
keep microseconds, so that (a, b] is [a + 1 µs, b + 1 µs) exactly.
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from django.utils.timezone import get_default_timezone

from cdp.clocks import on_clocks

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
# Anniversaries are looked up among the years that people live and things last.
ANNIVERSARY_YEARS = range(1850, 2150)


class Period(NamedTuple):
    """Instants from `start`, included, to `end`, left out."""

    start: datetime | None
    end: datetime | None


class Days(NamedTuple):
    """Whole business days from `first` to `last`, both included."""

    first: date | None
    last: date | None


def business_day(moment: datetime) -> date:
    """The day that the clocks of the business zone show."""
    return on_clocks(moment).date()


def start_of(day: date, zone: tzinfo | None = None) -> datetime:
    """The first instant of a day in UTC; the business zone's where no zone is given."""
    return on_clocks(datetime.combine(day, time.min, tzinfo=zone or get_default_timezone()), UTC)


def end_of(day: date) -> datetime:
    """The first instant after a business day in UTC; after the last of the calendar comes none, and its last one ends
    it.
    """
    return start_of(day + DAY) if day < date.max else datetime.max.replace(tzinfo=UTC)


def period_of(days: Days, zone: tzinfo | None = None) -> Period:
    first, last = days
    return Period(start_of(first, zone) if first else None, start_of(last + DAY, zone) if last else None)


def after_until(after: datetime, until: datetime) -> Period:
    """(after, until]: the start is left out and the end is in."""
    return Period(after + TICK, until + TICK)


def length_of(span: tuple[str, int]) -> timedelta:
    """`("days", n)` or `("hours", n)`; a day is 24 hours."""
    unit, n = span
    return timedelta(**{unit: n})


def last_days(n: int, today: date) -> Days:
    """Today and the n - 1 days before."""
    return Days(today - (n - 1) * DAY, today)


def next_days(n: int, today: date) -> Days:
    """Today and the n - 1 days after."""
    return Days(today, today + (n - 1) * DAY)


def years_since(low: int, high: int, today: date) -> list[Days]:
    """The days that are from `low` to `high` whole years ago; none where that was before the calendar."""
    latest = _latest_day_with_age(low, today)
    if latest is None:
        return []
    too_old = _latest_day_with_age(high + 1, today)
    return [Days(too_old and too_old + DAY, latest)]


def _latest_day_with_age(years: int, today: date) -> date | None:
    year = today.year - years
    if year < 1:
        return None
    return _in_year(year, today, is_end=True)


def _in_year(year: int, day: date, *, is_end: bool) -> date:
    """`day` as the first or, `is_end`, the last day of a range of anniversaries, moved into the year of the event.

    29 February is 28 February in other years: a range that ends on the 28th of a common year takes in the 29th.
    """
    is_leap = calendar.isleap(year)
    if (day.month, day.day) == (2, 29) and not is_leap:
        return date(year, 2, 28) if is_end else date(year, 3, 1)
    if is_end and (day.month, day.day) == (2, 28) and is_leap and not calendar.isleap(day.year):
        return date(year, 2, 29)
    return day.replace(year=year)


def anniversaries(days: Days) -> list[Days]:
    """The days of every year whose anniversary falls on one of `days` (at most 366), in order and apart."""
    assert days.first is not None
    assert days.last is not None
    found: list[Days] = []
    for year in ANNIVERSARY_YEARS:
        for target in sorted(range(days.first.year, days.last.year + 1), reverse=True):
            first = _in_year(year, max(days.first, date(target, 1, 1)), is_end=False)
            last = _in_year(year, min(days.last, date(target, 12, 31)), is_end=True)
            if first <= last:
                found.append(Days(first, last))
    return _joined(found)


def _joined(ranges: list[Days]) -> list[Days]:
    """Ranges in order, those that touch made one."""
    joined: list[Days] = []
    for first, last in sorted((first, last) for first, last in ranges if first and last):
        before = joined[-1].last if joined else None
        if before is not None and first <= before + DAY:
            joined[-1] = Days(joined[-1].first, max(before, last))
        else:
            joined.append(Days(first, last))
    return joined
