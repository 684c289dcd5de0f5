"""Broken rows: each costs itself, is named, and can be corrected and uploaded again."""

import csv
import io
import json

import pytest

from profiles.imports.readers import Reading, open_rows
from profiles.models import Event, Profile
from tests.profiles.imports.files import MEMBERS_MAPPING
from tests.profiles.ingest.messages import people

pytestmark = pytest.mark.django_db
HEADER = "Card,Phone,Name,City,Joined,SMS\n"
GOOD = "VIP 1,,Ann,Oslo,2025-01-01,yes\n"
BROKEN = [
    ("VIP 9,138\n", "2 cells, where the header has 6"),
    ("VIP 9\n", "1 cell, where the header has 6"),
    ('VIP 9,"13"8,Ann,,2025-01-01,\n', "a quote inside a quoted cell is not doubled"),
    ("VIP 9,,Ann,,2025-02-30,\n", "Joined: “2025-02-30” is not a time"),
    ("VIP 9,,Ann,,2027-01-01,\n", "Joined: time 2026-12-31T16:00:00+00:00 is more than 24 hours ahead"),
    ("VIP 9,,Ann,,1969-01-01,\n", "is before 1970"),
    ("VIP 9,,Ann,,2025-01-01,maybe\n", "SMS: “maybe” is not yes or no"),
    ("VIP 9,,A\0n,,2025-01-01,\n", "holds a NUL character"),
    (",000,Ann,,2025-01-01,\n", "Phone: “000” is not usable as “Phone”"),
    (",,Ann,,2025-01-01,\n", "nothing in column Card, Phone: nobody is named"),
    ("VIP 9,,,,2025-01-01,\n", "says nothing"),
    ("VIP 9,,x,,never,maybe\n", "SMS: “maybe”"),
]


def refused(import_):
    return list(csv.reader(io.StringIO(import_.refused_file.open().read().decode("utf-8-sig"))))


@pytest.mark.parametrize(("row", "reason"), BROKEN, ids=range(len(BROKEN)))
def test_a_broken_row_costs_itself_alone(load, row, reason):
    import_ = load(HEADER + row + GOOD, MEMBERS_MAPPING)

    assert (import_.counts["refused"], import_.counts["new"]) == (1, 1)
    header, (number, said, *_cells) = refused(import_)
    assert header == ["strata_row", "strata_reason", *HEADER.strip().split(",")]
    assert (number, reason in said) == ("1", True), said
    assert people() == {frozenset({("member_card", "VIP1")})}


def test_the_letters_that_stand_for_a_nul_are_none(load):
    mapping = {"identifiers": {"Card": "member_card"}, "traits": {"Name": "name"}}
    lines = r"""{"Card": "VIP1", "Name": "A\\u0000n"}
{"Card": "VIP2", "Name": "A\u0000n"}
{"Card": "VIP3", "Name": ["A", {"\u0000": 1}]}
"""

    of_csv = load("Card,Name\nVIP9,A\\u0000n\n", mapping)
    of_json = load(lines, mapping, name="members.ndjson")

    assert (of_csv.counts["new"], of_json.counts["new"], of_json.counts["refused"]) == (1, 1, 2)
    assert set(Profile.objects.values_list("attributes__name", flat=True)) == {"A\\u0000n"}


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_bytes_that_are_no_text_refuse_their_row(load, encoding):
    content = "Card,Name\nVIP1,张三\nVIP2,".encode(encoding) + b"\xff\xff\nVIP3," + "李四\n".encode(encoding)

    import_ = load(content, {"identifiers": {"Card": "member_card"}, "traits": {"Name": "name"}})

    assert (import_.encoding, import_.counts["new"], import_.counts["refused"]) == (encoding, 2, 1)
    said = import_.refused_file.open().read().decode(encoding)
    assert f"line 3, 0xff, is not {encoding.upper()}" in said


def test_a_stray_quote_swallows_nothing_behind_it(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text('a,b\n1,"x\n2,y\n"3\nz",w\n4,"v"\n')

    rows = [(row.number, row.line, row.text, bool(row.problem)) for row in open_rows(path, Reading("csv"))]

    assert rows == [
        (1, 2, ('1,"x',), True), (2, 3, ("2", "y"), False), (3, 4, ("3\nz", "w"), False), (4, 6, ("4", "v"), False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
        ("+1+cmd()", "'+1+cmd()"),
        ("'=1", "''=1"),
        ("+86 138 0013-8000", "+86 138 0013-8000"),
        ("-12.50", "-12.50"),
        ("'s Gravenhage", "'s Gravenhage"),
    ],
)
def test_a_spreadsheet_runs_nothing_of_the_refused_rows_and_they_come_back_as_they_were(load, cell, shown):
    mapping = {"identifiers": {"Card": "member_card"}, "traits": {"=Name": "name"}, "time": "Joined"}

    report = load(f'Card,=Name,Joined\nVIP1,"{cell}",never\n', mapping).refused_file.open().read()
    header, row = csv.reader(io.StringIO(report.decode("utf-8-sig")))
    load(report.replace(b"never", b"2026-01-02"), mapping)

    assert (header[3], row[3]) == ("'=Name", shown)
    assert Profile.objects.get().attributes["name"] == cell


def test_corrected_rows_are_taken_in_with_the_same_mapping(load):
    import_ = load(HEADER + GOOD + "VIP 2,,Bob,,2025-02-30,\nVIP 3,13\n", MEMBERS_MAPPING)
    said = import_.refused_file.open().read().decode().replace("2025-02-30", "2025-02-28")
    said = said.replace("VIP 3,13", "VIP 3,,Eve,,2025-01-01,")

    again = load(said, MEMBERS_MAPPING, name="members.refused.csv")

    assert again.counts == {"new": 2, "refused_rows": []}
    assert len(people()) == 3


def test_a_corrected_purchase_is_the_one_of_the_whole_file(load):
    """What is added to the refused rows takes no part in a row's id."""
    mapping = {"identifiers": {"Card": "member_card"}, "event": "Bought", "properties": {"Item": "item"}, "time": "Day"}
    import_ = load("Card,Item,Day\nVIP1,tea,never\nVIP1,tea,2026-01-02\n", mapping)
    said = import_.refused_file.open().read().decode().replace(",never\r", ",2026-01-03\r")

    load(said, mapping)
    load("Card,Item,Day\nVIP1,tea,2026-01-03\nVIP1,tea,2026-01-02\n", mapping)

    assert Event.objects.count() == 2


def test_refused_rows_of_ndjson_are_ndjson(load):
    lines = '{"card": "VIP1", "name": "Ann"}\nnot json\n{"card": "", "name": "Bob"}\n[1]\n'
    mapping = {"identifiers": {"card": "member_card"}, "traits": {"name": "name"}}

    import_ = load(lines, mapping, name="members.ndjson")

    assert import_.counts == {"new": 1, "refused": 3, "refused_rows": ["2", "3", "4"]}
    said = [json.loads(line) for line in import_.refused_file.open().read().splitlines()]
    assert said[1] == {
        "strata_row": 3,
        "strata_reason": "nothing in column card: nobody is named",
        "card": "",
        "name": "Bob",
    }
    assert said[0]["line"] == "not json"


def test_parquet_is_taken_in_with_its_types(load, tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from datetime import UTC, datetime

    from pyarrow import parquet

    path = tmp_path / "orders.parquet"
    at = datetime(2026, 1, 2, tzinfo=UTC)
    parquet.write_table(arrow.table({"card": ["V1", None], "total": [9.5, 1.0], "at": [at, at]}), path)

    import_ = load(
        path.read_bytes(),
        {"identifiers": {"card": "member_card"}, "event": "Order Completed", "value": "total", "time": "at"},
        name="orders.parquet",
    )

    assert import_.counts == {"events": 1, "new": 1, "refused": 1, "refused_rows": ["2"]}
    assert list(Event.objects.values_list("occurred_at", "value")) == [(at, 9.5)]
    assert refused(import_)[0] == ["strata_row", "strata_reason", "card", "total", "at"]
