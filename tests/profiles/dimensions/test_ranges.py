from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.dimensions.ranges import (
    day_range_in_words,
    edges_of_days,
    edges_of_numbers,
    number_range_in_words,
)

NUMBERS = st.decimals(min_value=-(10**18), max_value=10**18, allow_nan=False, places=4)
DAYS = st.dates(min_value=date(1000, 1, 1), max_value=date(9998, 12, 31))


@pytest.mark.parametrize(
    ("low", "high", "edges"),
    [
        ("3", "97", ["0", "10", "20", "30", "40", "50", "60", "70", "80", "90", "100"]),
        ("0", "1900", ["0", "200", "400", "600", "800", "1000", "1200", "1400", "1600", "1800", "2000"]),
        ("-5", "20", ["-5", "0", "5", "10", "15", "20", "25"]),
        ("0.11", "0.52", ["0.10", "0.15", "0.20", "0.25", "0.30", "0.35", "0.40", "0.45", "0.50", "0.55"]),
        ("7", "7", ["7", "8"]),
    ],
)
def test_numbers_come_in_round_ranges(low, high, edges):
    assert edges_of_numbers(Decimal(low), Decimal(high)) == [Decimal(edge) for edge in edges]


@pytest.mark.parametrize(
    ("low", "high", "first", "second", "last"),
    [
        (date(2026, 3, 1), date(2026, 3, 9), date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 10)),
        (date(2026, 3, 5), date(2026, 4, 20), date(2026, 3, 2), date(2026, 3, 9), date(2026, 4, 27)),
        (date(2025, 12, 9), date(2026, 10, 5), date(2025, 12, 1), date(2026, 1, 1), date(2026, 11, 1)),
        (date(2024, 2, 9), date(2026, 10, 5), date(2024, 1, 1), date(2024, 4, 1), date(2027, 1, 1)),
        (date(1962, 5, 1), date(2007, 5, 1), date(1960, 1, 1), date(1965, 1, 1), date(2010, 1, 1)),
    ],
)
def test_days_come_in_weeks_months_quarters_and_years(low, high, first, second, last):
    edges = edges_of_days(low, high)

    assert (edges[0], edges[1], edges[-1]) == (first, second, last)


def test_days_end_with_the_calendar():
    assert edges_of_days(date.max, date.max) == [date.max]
    assert edges_of_days(date(9999, 12, 1), date.max)[-2:] == [date(9999, 12, 20), date(9999, 12, 27)]
    assert edges_of_days(date.min, date.min) == [date(1, 1, 1), date(1, 1, 2)]


@given(NUMBERS, NUMBERS)
def test_a_bounded_number_of_ranges_covers_all_numbers_between(one, other):
    low, high = sorted((one, other))

    edges = edges_of_numbers(low, high)

    assert edges == sorted(set(edges))
    assert len(edges) <= 13
    assert edges[0] <= max(low, Decimal(-(10**15)))
    assert edges[-1] > min(high, Decimal(10**15))


@given(DAYS, DAYS)
def test_a_bounded_number_of_ranges_covers_all_days_between(one, other):
    low, high = sorted((one, other))

    edges = edges_of_days(low, high)

    assert edges == sorted(set(edges))
    assert len(edges) <= 92
    assert edges[0] <= low
    assert edges[-1] > high or edges[-1].year > 9899


def test_ranges_in_words():
    assert number_range_in_words(Decimal(1000), Decimal(2000)) == "1,000 to under 2,000"
    assert number_range_in_words(None, Decimal("0.5")) == "under 0.5"
    assert number_range_in_words(Decimal(20), None) == "20 and more"
    assert day_range_in_words(date(1990, 1, 1), date(2000, 1, 1)) == "1990 – 1999"
    assert day_range_in_words(date(2026, 3, 1), date(2026, 4, 1)) == "2026-03"
    assert day_range_in_words(date(2026, 1, 1), date(2026, 4, 1)) == "2026-01 – 2026-03"
    assert day_range_in_words(date(2026, 3, 2), date(2026, 3, 9)) == "2026-03-02 – 2026-03-08"
    assert day_range_in_words(None, date(1990, 1, 1)) == "before 1990-01-01"
    assert day_range_in_words(date(2010, 1, 1), None) == "from 2010-01-01 on"
