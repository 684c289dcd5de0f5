"""Cells as values: the ways in which people and programs write them."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from profiles.imports.cells import SKIP, CellError, TimeReader, ValueReader, consent_state
from profiles.imports.date_patterns import date_pattern
from profiles.models import AttributeType

SHANGHAI = ZoneInfo("Asia/Shanghai")
VALUES = [
    ("number", "", "1,234.50", 1234.5),
    ("number", "", "-1,234,567", -1234567),
    ("number", "", "￥99", 99),
    ("number", "1.234,5", "1.234,50", 1234.5),
    ("number", "1.234,5", "0,125 €", 0.125),
    ("number", "1.234,5", "1,234", 1.234),
    ("number", "1.234,5", "1234", 1234),
    ("number", "1.234,5", 1.5, 1.5),
    ("number", "", "１２３", 123),
    ("number", "", "88元", 88),
    ("date", "", "2025年1月31日", "2025-01-31"),
    ("date", "", "20250131", "2025-01-31"),
    ("date", "", "2025/1/31 23:30", "2025-01-31"),
    ("date", "DD/MM/YYYY", "31/01/2025", "2025-01-31"),
    ("date", "excel", "45688", "2025-01-31"),
    ("date", "", "9999-12-31T23:59:59Z", "9999-12-31"),
    ("datetime", "", "2025/1/31 8:05", "2025-01-31T00:05:00.000000Z"),
    ("datetime", "unix_ms", "1738281900000", "2025-01-31T00:05:00.000000Z"),
    ("datetime", "YYYY-MM-DD HH:mm", "2025-01-31 08:05", "2025-01-31T00:05:00.000000Z"),
    ("boolean", "", "是", True),
    ("boolean", "", "N", False),
    ("list", "", "tea", ["tea"]),
    ("list", "", ["tea"], ["tea"]),
    ("text", "", 138.0, "138.0"),
]


@pytest.mark.parametrize(("type_", "format", "cell", "value"), VALUES, ids=[str(row[2]) + row[0] for row in VALUES])
def test_a_cell_is_read_as_its_type(type_, format, cell, value):
    is_date = format and type_ != "number"
    reader = ValueReader(type=AttributeType(type_), format=date_pattern(format) if is_date else format, zone=SHANGHAI)

    assert reader.read(cell) == value


@pytest.mark.parametrize("cell", ["0,125", "1234,567", "12,5", "1.234,50", "1,23,456", "00,123"])
def test_a_comma_that_parts_no_thousands_is_refused_with_what_to_do(cell):
    with pytest.raises(CellError, match=f"“{cell}” is no number such as 1,234.5; where the comma is decimal"):
        ValueReader(type=AttributeType.NUMBER, zone=SHANGHAI).read(cell)


def test_a_long_cell_is_no_number_soon():
    """By an expression that looks at each character once: with another it took half a minute."""
    with pytest.raises(CellError):
        ValueReader(type=AttributeType.NUMBER, zone=SHANGHAI).read("1," * 100_000 + "x")


@pytest.mark.parametrize("cell", ["1,234.5", "1.23,4", "12,", "1234.56", "0.125", "tea"])
def test_with_a_decimal_comma_a_point_parts_thousands_alone(cell):
    with pytest.raises(CellError, match=f"“{cell}” is not of the type"):
        ValueReader(type=AttributeType.NUMBER, format="1.234,5", zone=SHANGHAI).read(cell)


@pytest.mark.parametrize(
    ("type_", "cell"),
    [
        ("number", "12 tea"),
        ("number", "-$1,234.50"),
        ("number", "1,234 USD"),
        ("number", "N/A, unknown"),
        ("date", "2025-02-30"),
        ("date", "soon"),
        ("boolean", "maybe"),
        ("datetime", "31.1.2025"),
    ],
)
def test_what_does_not_fit_is_quoted(type_, cell):
    with pytest.raises(CellError, match=re.escape(f"“{cell}” is not of the type")):
        ValueReader(type=AttributeType(type_), zone=SHANGHAI).read(cell)


def test_empty_cells_words_and_lists():
    assert ValueReader().read("  ") is SKIP
    assert ValueReader(empty_is_missing=True).read("") is None
    assert ValueReader(trim=False).read(" a ") == " a "
    assert ValueReader(values=(("男", "male"), ("-", None))).read("男") == "male"
    assert ValueReader(split="、").read("茶、 酒、") == ["茶", "酒"]


@pytest.mark.parametrize(
    ("format", "cell", "time"),
    [
        ("", "2026-01-31 09:05", datetime(2026, 1, 31, 1, 5, tzinfo=UTC)),
        ("", "2026年1月31日 9时05分", datetime(2026, 1, 31, 1, 5, tzinfo=UTC)),
        ("", "20260131 090500", datetime(2026, 1, 31, 1, 5, tzinfo=UTC)),
        ("", "2026-01-31T09:05:00Z", datetime(2026, 1, 31, 9, 5, tzinfo=UTC)),
        ("unix", "1769821500", datetime(2026, 1, 31, 1, 5, tzinfo=UTC)),
    ],
    ids=["local", "Chinese", "compact", "UTC", "unix"],
)
def test_times_are_of_the_zone_unless_they_name_one(format, cell, time):
    assert TimeReader(zone=SHANGHAI, column="at", format=format).read(cell) == time


@pytest.mark.parametrize(
    ("format", "cell"),
    [
        ("YYYY-MM-DD HH:MM", "2026-01-31 09:05"),
        ("YYYY-MM-DD HH:MM:SS", "2026-01-31 09:05:00"),
        ("yyyy-MM-dd HH:mm:ss.SSS", "2026-01-31 09:05:00.000"),
        ("yyyy/mm/dd hh:mm", "2026/01/31 09:05"),
        ("M/D/YYYY h:mm:ss A", "1/31/2026 9:05:00 AM"),
        ("mm/dd/yy hh:mm AM/PM", "01/31/26 09:05 am"),
        ("DD-MMM-YYYY HH:mm", "31-Jan-2026 09:05"),
        ("YYYYMMDDHHmmss", "20260131090500"),
        ("YYYY年M月D日 H时m分", "2026年1月31日 9时5分"),
        ("YYYY-MM-DDTHH:mm:ssZ", "2026-01-31T01:05:00Z"),
        ("HH:mm DD.MM.YYYY", "09:05 31.01.2026"),
        ("%H:%M %d %b %Y", "09:05 31 Jan 2026"),
    ],
)
def test_formats_of_dates_are_written_as_in_spreadsheets_and_programs(format, cell):
    reader = TimeReader(zone=SHANGHAI, column="at", format=date_pattern(format))

    assert reader.read(cell) == datetime(2026, 1, 31, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "format", ["DD/MM/YYYY DD", "YYYY-MM", "DD/MM", "soon", "YYYYY-MM-DD", "%d %m %Y %", "%d/%m/%Y %d", "%Q %d %m %Y"]
)
def test_a_format_by_which_no_date_can_be_read_is_none(format):
    with pytest.raises(ValueError, match="is no format of dates"):
        date_pattern(format)


def test_no_time_is_said():
    with pytest.raises(CellError, match=r"“31\.01\.2025” is not a time such as"):
        TimeReader(zone=SHANGHAI, column="at").read("31.01.2025")


def test_words_of_consent():
    assert {consent_state(word).value for word in ("同意", "YES", "1", True)} == {"granted"}
    assert {consent_state(word).value for word in ("拒绝", "no", "0", "退订")} == {"denied"}
    with pytest.raises(CellError, match="“maybe” is not yes or no"):
        consent_state("maybe")
