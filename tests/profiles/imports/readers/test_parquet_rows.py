"""Values of Parquet as cells."""

from decimal import Decimal

import pytest

from profiles.imports.facts import facts_of
from profiles.imports.readers import Reading, open_rows

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
