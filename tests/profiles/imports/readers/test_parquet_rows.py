"""Values of Parquet as cells."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from profiles.imports.errors import ImportFileError
from profiles.imports.facts import facts_of
from profiles.imports.readers import Reading, count_rows, open_rows

arrow = pytest.importorskip("pyarrow")


@pytest.fixture
def rows_of(tmp_path):
    """The rows that a file of one column has."""

    def rows_of(values, **options):
        from pyarrow import parquet

        path = tmp_path / "file.parquet"
        parquet.write_table(arrow.table({"value": values}), path, **options)
        assert facts_of(path).columns == ("value",)
        return list(open_rows(path, Reading("parquet")))

    return rows_of


@pytest.mark.parametrize(
    ("value", "digits", "cell"),
    [
        ("622848001234567891", (38, 0), 622848001234567891),
        ("12345678901234567890123456789012345678", (38, 0), "12345678901234567890123456789012345678"),
        ("-12345678901234567890123456789012345678", (38, 0), "-12345678901234567890123456789012345678"),
        ("622848001234567891.00", (38, 2), 622848001234567891),
        ("19.990000", (38, 6), 19.99),
    ],
)
def test_a_whole_decimal_keeps_every_digit(rows_of, value, digits, cell):
    [row] = rows_of(arrow.array([Decimal(value)], arrow.decimal128(*digits)))

    assert row.cells == {"value": cell}


@pytest.mark.parametrize(
    ("values", "cell"),
    [
        (lambda: arrow.array([timedelta(days=1, seconds=5)]), "1 day, 0:00:05"),
        (lambda: arrow.array([1_001], arrow.duration("ns")), "0:00:00.000001"),
        (lambda: arrow.array([1_001], arrow.timestamp("ns", tz="UTC")), "1970-01-01T00:00:00.000001+00:00"),
        (lambda: arrow.array([1_001], arrow.time64("ns")), "00:00:00.000001"),
        (lambda: arrow.array([UUID(int=1).bytes], arrow.uuid()), str(UUID(int=1))),
        (lambda: arrow.array([UUID(int=255).bytes], arrow.binary()), f"{255:032x}"),
        (lambda: arrow.array([b"VIP1"], arrow.binary()), "VIP1"),
        (lambda: arrow.array([[("a", timedelta(1))]], arrow.map_(arrow.string(), arrow.duration("s"))),
         [["a", "1 day, 0:00:00"]]),
    ],
    ids=["duration", "ns duration", "ns time", "ns time of day", "UUID", "bytes", "text in bytes", "map"],
)  # fmt: skip
def test_what_json_has_no_word_for_is_text(rows_of, values, cell):
    [row] = rows_of(values())

    assert row.cells == {"value": cell}


def test_the_times_of_spark_reach_to_the_year_9999(rows_of):
    """INT96, which as nanoseconds ends in 2262."""
    last = arrow.array([253402300799_000_000], arrow.timestamp("us"))

    [row] = rows_of(last, use_deprecated_int96_timestamps=True)

    assert row.cells == {"value": "9999-12-31T23:59:59"}


def test_a_value_that_cannot_be_read_costs_its_row(rows_of):
    rows = rows_of(arrow.array([0, 10**7, 1, 2], arrow.date32()))

    assert [row.cells for row in rows] == [
        {"value": "1970-01-01"}, {}, {"value": "1970-01-02"}, {"value": "1970-01-03"},
    ]  # fmt: skip
    assert [row.problem for row in rows] == ["", "not readable: date value out of range", "", ""]
    assert [row.number for row in rows] == [1, 2, 3, 4]


def test_a_damaged_file_says_so(tmp_path):
    from pyarrow import parquet

    path = tmp_path / "file.parquet"
    parquet.write_table(arrow.table({"value": [str(n) for n in range(10_000)]}), path, use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[4:2_000] = b"\xff" * 1_996
    path.write_bytes(content)

    with pytest.raises(ImportFileError, match=r"^The file"):
        list(open_rows(path, Reading("parquet")))
    path.write_bytes(content[:-100] + content[-8:])
    with pytest.raises(ImportFileError, match=r"^The file"):
        count_rows(path, Reading("parquet"))
