"""Values by their definition's type."""

import pytest

from profiles.ingest.coerce import MISFIT, coerce, guess_type


@pytest.mark.parametrize(
    ("type_", "value", "stored"),
    [
        ("text", "Oslo", "Oslo"),
        ("text", 150, "150"),
        ("text", True, MISFIT),
        ("text", ["a"], MISFIT),
        ("number", 1.5, 1.5),
        ("number", " 12 ", 12),
        ("number", "-1.50", -1.5),
        ("number", "1e3", 1000.0),
        ("number", "12345678901234567890", 12345678901234567890.0),
        ("number", "1e999", MISFIT),
        ("number", "nan", MISFIT),
        ("number", "1,000", MISFIT),
        ("number", "１２", MISFIT),
        ("number", "1_000", MISFIT),
        ("number", True, MISFIT),
        ("boolean", False, False),
        ("boolean", "TRUE", True),
        ("boolean", 0, False),
        ("boolean", "no", False),
        ("boolean", 2, MISFIT),
        ("boolean", 1.0, MISFIT),
        ("date", "2026-01-31", "2026-01-31"),
        ("date", "2026/1/3", "2026-01-03"),
        ("date", "2023-02-30", MISFIT),
        ("date", "2026-01/31", MISFIT),
        ("date", "1990-05-01T16:00:00.000Z", "1990-05-02"),
        ("date", "1990-05-01T09:00:00", "1990-05-01"),
        ("date", 19900501, MISFIT),
        ("date", "9999-12-31T23:59:59Z", "9999-12-31"),
        ("date", "0001-01-01T00:00:00", MISFIT),
        ("datetime", "2026-01-02T03:04:05+01:00", "2026-01-02T02:04:05.000000Z"),
        ("datetime", "2026-01-02T03:04:05", "2026-01-01T19:04:05.000000Z"),
        ("datetime", "2026-01-02", "2026-01-01T16:00:00.000000Z"),
        ("datetime", "0001-01-01T00:00:00+08:00", MISFIT),
        ("datetime", "soon", MISFIT),
        ("list", ["a", 1, True], ["a", 1, True]),
        ("list", [None], MISFIT),
        ("list", [{"a": 1}], MISFIT),
        ("list", "a", ["a"]),
        ("list", {"a": 1}, MISFIT),
    ],
)
def test_a_value_is_stored_as_its_type_or_does_not_fit(type_, value, stored):
    found = coerce(value, type_)

    assert found is MISFIT if stored is MISFIT else (found, type(found)) == (stored, type(stored))


@pytest.mark.parametrize("type_", ["text", "number", "boolean", "date", "datetime", "list"])
@pytest.mark.parametrize("value", [None, ""])
def test_null_and_empty_say_missing_for_every_type(type_, value):
    assert coerce(value, type_) is None


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (True, "boolean"),
        (1, "number"),
        (1.5, "number"),
        ("150", "text"),
        ("2026-01-31", "date"),
        ("2026-02-30", "text"),
        ("2026-01-31T09:00:00Z", "datetime"),
        ("2026-01-31 noon", "text"),
        (["a"], "list"),
        ("Oslo", "text"),
    ],
)
def test_the_first_value_gives_the_type(value, type_):
    assert guess_type(value) == type_
