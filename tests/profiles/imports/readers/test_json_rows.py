"""Lines of NDJSON as cells."""

import pytest

from profiles.imports.readers.json_rows import row_of
from profiles.imports.readers.lines import Line


@pytest.mark.parametrize(
    ("written", "cell"),
    [
        ("622848001234567890", 622848001234567890),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", "18446744073709551616"),
        ("-9223372036854775808", -(2**63)),
        ("-9223372036854775809", "-9223372036854775809"),
        ("1" * 300, "1" * 300),
        ('["12345678901234567890123", 12345678901234567890123]', ["12345678901234567890123"] * 2),
        ("12345678901234567890.5", 12345678901234567890.5),
    ],
    ids=["small", "largest", "larger", "least", "less", "very long", "text", "fraction"],
)
def test_a_whole_number_keeps_every_digit(written, cell):
    row = row_of(1, Line(1, f'{{"card": {written}}}\n'))

    assert (row.problem, row.cells) == ("", {"card": cell})


@pytest.mark.parametrize("depth", [300, 100_000])
@pytest.mark.parametrize("innermost", ["1", "1" * 30], ids=["short", "long"])
def test_what_is_nested_too_deeply_costs_its_row(depth, innermost):
    row = row_of(1, Line(1, '{"a": ' + "[" * depth + innermost + "]" * depth + "}"))

    assert row.problem.startswith("not JSON: ")
    assert row.cells == {}
