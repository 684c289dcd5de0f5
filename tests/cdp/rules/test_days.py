"""Business days, windows and anniversaries, in the zone of Shanghai, which has no summer time."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from cdp.clocks import on_clocks
from cdp.rules.days import TICK, Days, Period, anniversaries, business_day, period_of, start_of, years_since
from cdp.rules.windows import Window
from cdp.values import as_local_time, local_time


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def test_a_business_day_starts_at_four_in_the_afternoon_before_in_utc():
    assert business_day(utc(2026, 6, 14, 15, 59, 59, 999999)) == date(2026, 6, 14)
    assert business_day(utc(2026, 6, 14, 16)) == date(2026, 6, 15)
    assert period_of(Days(date(2026, 6, 15), date(2026, 6, 15))) == Period(utc(2026, 6, 14, 16), utc(2026, 6, 15, 16))


LAST, FIRST = utc(9999, 12, 31, 23, 59, 59), utc(1, 1, 1)
NEW_YORK = ZoneInfo("America/New_York")


def test_at_the_ends_of_the_calendar_clocks_show_what_those_of_utc_do():
    assert on_clocks(LAST).replace(tzinfo=UTC) == LAST
    assert on_clocks(FIRST, NEW_YORK).replace(tzinfo=UTC) == FIRST
    assert (business_day(LAST), business_day(FIRST)) == (date(9999, 12, 31), date(1, 1, 1))
    assert (start_of(date.min), start_of(date.max, NEW_YORK)) == (FIRST, utc(9999, 12, 31, 5))
    assert local_time(LAST) == as_local_time("9999-12-31T23:59:59.000000Z") == "9999-12-31 23:59"
    assert local_time(utc(9999, 12, 31, 15, 59)) == "9999-12-31 23:59"


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        (Window("last_days", 7), utc(2026, 6, 8, 4) + TICK, utc(2026, 6, 15, 4) + TICK),
        (Window("last_hours", 3), utc(2026, 6, 15, 1) + TICK, utc(2026, 6, 15, 4) + TICK),
        (Window("days_ago", (60, 30)), utc(2026, 4, 16, 4) + TICK, utc(2026, 5, 16, 4) + TICK),
        (Window("calendar", "today"), utc(2026, 6, 14, 16), utc(2026, 6, 15, 4) + TICK),
        (Window("calendar", "yesterday"), utc(2026, 6, 13, 16), utc(2026, 6, 14, 16)),
        (Window("calendar", "this_week"), utc(2026, 6, 14, 16), utc(2026, 6, 15, 4) + TICK),
        (Window("calendar", "last_week"), utc(2026, 6, 7, 16), utc(2026, 6, 14, 16)),
        (Window("calendar", "this_month"), utc(2026, 5, 31, 16), utc(2026, 6, 15, 4) + TICK),
        (Window("calendar", "last_month"), utc(2026, 4, 30, 16), utc(2026, 5, 31, 16)),
        (Window("calendar", "this_quarter"), utc(2026, 3, 31, 16), utc(2026, 6, 15, 4) + TICK),
        (Window("calendar", "last_quarter"), utc(2025, 12, 31, 16), utc(2026, 3, 31, 16)),
        (Window("calendar", "this_year"), utc(2025, 12, 31, 16), utc(2026, 6, 15, 4) + TICK),
        (Window("calendar", "last_year"), utc(2024, 12, 31, 16), utc(2025, 12, 31, 16)),
        (Window("dates", Days(date(2026, 1, 1), date(2026, 1, 31))), utc(2025, 12, 31, 16), utc(2026, 1, 31, 16)),
        (Window("dates", Days(None, date(2030, 1, 1))), None, utc(2026, 6, 15, 4) + TICK),
        (Window("ever"), None, utc(2026, 6, 15, 4) + TICK),
    ],
)
def test_bounds_of_windows_on_a_monday_noon(window, start, end, now):
    assert window.period(now) == Period(start, end)


def test_the_last_instant_of_the_year_is_still_this_year():
    last_instant = utc(2026, 12, 31, 15, 59, 59, 999999)

    assert Window("calendar", "this_year").period(last_instant).start == utc(2025, 12, 31, 16)
    assert Window("calendar", "this_year").period(last_instant + TICK).start == utc(2026, 12, 31, 16)


def of_year(year, ranges):
    return [days for days in ranges if days.first.year == year or days.last.year == year]


def test_anniversaries_over_the_end_of_a_year():
    found = anniversaries(Days(date(2026, 12, 30), date(2027, 1, 2)))

    assert of_year(1990, found) == [
        Days(date(1989, 12, 30), date(1990, 1, 2)),
        Days(date(1990, 12, 30), date(1991, 1, 2)),
    ]


@pytest.mark.parametrize(
    ("first", "last", "in_leap_year", "in_common_year"),
    [
        (date(2027, 2, 28), date(2027, 2, 28), [((2, 28), (2, 29))], [((2, 28), (2, 28))]),
        (date(2028, 2, 28), date(2028, 2, 28), [((2, 28), (2, 28))], [((2, 28), (2, 28))]),
        (date(2028, 2, 29), date(2028, 2, 29), [((2, 29), (2, 29))], []),
        (date(2028, 2, 29), date(2028, 3, 1), [((2, 29), (3, 1))], [((3, 1), (3, 1))]),
        (date(2027, 3, 1), date(2027, 3, 2), [((3, 1), (3, 2))], [((3, 1), (3, 2))]),
    ],
)
def test_29_february_is_28_february_in_other_years(first, last, in_leap_year, in_common_year):
    found = anniversaries(Days(first, last))

    for year, expected in ((2000, in_leap_year), (2001, in_common_year)):
        assert of_year(year, found) == [Days(date(year, *start), date(year, *end)) for start, end in expected]


def test_a_whole_year_of_anniversaries_is_every_day():
    assert anniversaries(Days(date(2026, 6, 15), date(2027, 6, 15))) == [Days(date(1850, 1, 1), date(2149, 12, 31))]


@pytest.mark.parametrize(
    ("today", "low", "high", "expected"),
    [
        (date(2026, 6, 15), 25, 30, [Days(date(1995, 6, 16), date(2001, 6, 15))]),
        (date(2026, 6, 15), 0, 0, [Days(date(2025, 6, 16), date(2026, 6, 15))]),
        (date(2027, 2, 28), 27, 27, [Days(date(1999, 3, 1), date(2000, 2, 29))]),
        (date(2028, 2, 28), 28, 28, [Days(date(1999, 3, 1), date(2000, 2, 28))]),
        (date(2028, 2, 29), 1, 1, [Days(date(2026, 3, 1), date(2027, 2, 28))]),
        (date(2026, 6, 15), 2000, 9999, [Days(None, date(26, 6, 15))]),
        (date(2026, 6, 15), 3000, 4000, []),
    ],
)
def test_whole_years_since(today, low, high, expected):
    assert years_since(low, high, today) == expected
