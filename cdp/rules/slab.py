"""Slabs: the moments of which a condition says something else once time has passed, and nothing of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from cdp.rules.days import DAY, Days, Period, after_until, business_day, period_of

FOR_EVER = date.max.toordinal() + 1


@dataclass(frozen=True)
class Slab:
    """Moments within `periods`, on `days`, or on `month_days` (month × 100 + day) of any year.

    `coming` are those that lay ahead and are past now; whoever is told of each at its own time leaves them out.
    """

    periods: tuple[Period, ...] = ()
    days: tuple[Days, ...] = ()
    month_days: frozenset[int] = frozenset()
    coming: tuple[Period, ...] = ()

    def spans(self, years: Iterable[int]) -> list[Period]:
        """All but `coming` as spans of instants, with `month_days` looked up in these years."""
        days = [*self.days, *days_of_years(self.month_days, years)]
        return [*self.periods, *map(period_of, days)]


def passing(after: datetime, until: datetime, distance: timedelta) -> tuple[Period, ...]:
    """What an edge runs over that is always `distance` from now, while now goes over (after, until]."""
    return (after_until(after + distance, until + distance),)


def turned(before: Sequence[Days], now: Sequence[Days]) -> tuple[Days, ...]:
    """The days that are in one of two sets and not in the other; each set is of ranges that do not overlap."""
    edges = Counter(edge for days in (*before, *now) for edge in _edges(days))
    alone = iter(sorted(edge for edge, n in edges.items() if n % 2))
    return tuple(_days(first, end) for first, end in zip(alone, alone, strict=True))


def _edges(days: Days) -> tuple[int, int]:
    first, last = days
    return (first.toordinal() if first else 0, last.toordinal() + 1 if last else FOR_EVER)


def _days(first: int, end: int) -> Days:
    return Days(date.fromordinal(first) if first else None, date.fromordinal(end - 1) if end < FOR_EVER else None)


def month_days(days: Days) -> frozenset[int]:
    """Month and day of all that have an anniversary on one of these days; 29 February has it on the 28th in other
    years.
    """
    return frozenset(_month_days(days))


def _month_days(days: Days) -> Iterator[int]:
    assert days.first is not None
    assert days.last is not None
    for offset in range((days.last - days.first).days + 1):
        day = days.first + offset * DAY
        yield month_day(day)
        if (day.month, day.day) == (2, 28) and (day + DAY).day == 1:
            yield 229


def month_day(day: date) -> int:
    """Month × 100 + day."""
    return day.month * 100 + day.day


def days_of_years(wanted: Collection[int], years: Iterable[int]) -> list[Days]:
    """The days of these years that have one of the month days, a range for each run of neighbours."""
    found: list[Days] = []
    for year in years if wanted else ():
        for md in sorted(wanted):
            if md == 229 and not _has_29_february(year):
                continue
            day = date(year, *divmod(md, 100))
            if found and found[-1].last == day - DAY:
                found[-1] = Days(found[-1].first, day)
            else:
                found.append(Days(day, day))
    return found


def _has_29_february(year: int) -> bool:
    return (date(year, 3, 1) - DAY).day == 29


def both_days(after: datetime, until: datetime) -> tuple[date, date]:
    """The business days at either end."""
    return business_day(after), business_day(until)
