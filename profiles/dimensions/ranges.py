"""Ranges of numbers and days with round ends, for values too many to name each."""

from __future__ import annotations

from datetime import MAXYEAR, MINYEAR, date, timedelta
from decimal import Decimal

from django.utils.translation import gettext as _

from cdp.rules.days import DAY

MOST = 10  # ranges of numbers between the outermost ends; of days up to twelve, for the months of a year
MOST_OF_DAYS = 12
LARGEST = Decimal(10) ** 15
WEEK = timedelta(days=7)
MONTHS = (1, 3, 12, 24, 60, 120, 240, 600, 1200)


def edges_of_numbers(low: Decimal, high: Decimal) -> list[Decimal]:
    """Multiples of 1, 2 or 5 times a power of ten, from the one at or below `low` to the one above `high`."""
    low, high = (min(max(value, -LARGEST), LARGEST) for value in (low, high))
    step = round_step((high - low) / MOST)
    first = (low / step).to_integral_value(rounding="ROUND_FLOOR")
    last = (high / step).to_integral_value(rounding="ROUND_FLOOR")
    return [step * (first + n) for n in range(int(last - first) + 2)]


def round_step(least: Decimal) -> Decimal:
    """The smallest of 1, 2, 5, 10, 20 … and of a tenth, a hundredth … of them that is not below `least`."""
    if least <= 0:
        return Decimal(1)
    power = Decimal(1).scaleb(least.adjusted())
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)


def edges_of_days(low: date, high: date) -> list[date]:
    """Days, Mondays, or firsts of months, quarters or years, from that at or before `low` to that after `high`."""
    for step in (DAY, WEEK):
        if (high - low) / step < MOST_OF_DAYS - 1:
            first = low - timedelta(days=low.weekday()) if step == WEEK else low
            last = min((high - first) // step + 1, (date.max - first) // step)
            return [first + n * step for n in range(last + 1)]
    start, end = _months(low), _months(high)
    step_months = next((each for each in MONTHS if (end - start) / each < MOST_OF_DAYS), MONTHS[-1])
    first_month, last_month = (number // step_months * step_months for number in (start, end))
    numbers = range(first_month, last_month + step_months + 1, step_months)
    return [date(number // 12, number % 12 + 1, 1) for number in numbers if MINYEAR <= number // 12 <= MAXYEAR]


def _months(day: date) -> int:
    """Since the year 0."""
    return 12 * day.year + day.month - 1


def number_range_in_words(start: Decimal | None, end: Decimal | None) -> str:
    if start is None:
        return _("under %(end)s") % {"end": _plain(end)}
    if end is None:
        return _("%(start)s and more") % {"start": _plain(start)}
    return _("%(start)s to under %(end)s") % {"start": _plain(start), "end": _plain(end)}


def day_range_in_words(start: date | None, end: date | None) -> str:
    """A whole month as `2026-03`, years as `1990 – 1999`, else days."""
    if start is None:
        return _("before %(day)s") % {"day": end}
    if end is None:
        return _("from %(day)s on") % {"day": start}
    last = end - DAY
    unit = "0000-00-00"
    if start.day == end.day == 1:
        unit = "0000" if start.month == end.month == 1 else "0000-00"
    first_said, last_said = (day.isoformat()[: len(unit)] for day in (start, last))
    return first_said if first_said == last_said else f"{first_said} – {last_said}"


def _plain(number: Decimal | None) -> str:
    return f"{number:,f}" if number is not None else ""
