"""Cells as values: the ways in which people and programs write them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from profiles.imports.cells import SKIP, CellError, TimeReader, ValueReader, consent_state, date_pattern
from profiles.models import AttributeType

SHANGHAI = ZoneInfo("Asia/Shanghai")
VALUES = [
    ("number", "", "1,234.50", 1234.5),
    ("number", "", "￥99", 99),
    ("number", "", "１２３", 123),
    ("number", "", "88元", 88),
    ("date", "", "2025年1月31日", "2025-01-31"),
    ("date", "", "20250131", "2025-01-31"),
    ("date", "", "2025/1/31 23:30", "2025-01-31"),
    ("date", "DD/MM/YYYY", "31/01/2025", "2025-01-31"),
    ("date", "excel", "45688", "2025-01-31"),
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
    reader = ValueReader(type=AttributeType(type_), format=date_pattern(format) if format else "", zone=SHANGHAI)

    assert reader.read(cell) == value


@pytest.mark.parametrize(
    ("type_", "cell"),
    [("number", "12 tea"), ("date", "2025-02-30"), ("date", "soon"), ("boolean", "maybe"), ("datetime", "31.1.2025")],
)
def test_what_does_not_fit_is_quoted(type_, cell):
    with pytest.raises(CellError, match=f"“{cell}” is not of the type"):
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


def test_no_time_is_said():
    with pytest.raises(CellError, match=r"“31\.01\.2025” is not a time such as"):
        TimeReader(zone=SHANGHAI, column="at").read("31.01.2025")


def test_words_of_consent():
    assert {consent_state(word).value for word in ("同意", "YES", "1", True)} == {"granted"}
    assert {consent_state(word).value for word in ("拒绝", "no", "0", "退订")} == {"denied"}
    with pytest.raises(CellError, match="“maybe” is not yes or no"):
        consent_state("maybe")
