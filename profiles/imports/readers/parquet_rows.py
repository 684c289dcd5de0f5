"""Rows of Parquet, by pyarrow, which is an extra."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from profiles.imports.errors import ImportFileError
from profiles.imports.readers.json_rows import MAX_DEPTH, as_json, exact, flat
from profiles.imports.readers.row import REPORT_COLUMNS, Row

BATCH_ROWS = 2_000


@contextmanager
def open_parquet(path: Path) -> Iterator[Any]:
    """A `pyarrow.parquet.ParquetFile`. Raises ImportFileError, and OSError where the file is cut off or damaged."""
    try:
        import pyarrow as arrow  # noqa: PLC0415 - an extra, and a second to import
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise ImportFileError(
            _("Parquet needs the library pyarrow: pip install -r requirements/parquet.txt, or send CSV or NDJSON.")
        ) from None
    try:
        with parquet.ParquetFile(path, memory_map=True, coerce_int96_timestamp_unit="us") as file:
            yield file
    except arrow.ArrowException as error:
        raise ImportFileError(
            _("The file is not Parquet: %(error)s") % {"error": str(error).partition("\n")[0]}
        ) from error


def read_parquet(path: Path) -> Iterator[Row]:
    number = 0
    with open_parquet(path) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            for found in rows_in(in_microseconds(batch)):
                number += 1
                if isinstance(found, str):
                    yield Row(number, 0, {}, ("",), found)
                    continue
                plain = {name: plain_value(value) for name, value in found.items() if name not in REPORT_COLUMNS}
                yield Row(number, 0, flat(plain), (as_json(plain),))


def in_microseconds(batch: Any) -> Any:
    """A batch whose times are no finer: Python has no nanoseconds."""
    for place, field in enumerate(batch.schema):
        if getattr(field.type, "unit", "") == "ns":
            column = batch.column(place).cast(microseconds_of(field.type), safe=False)
            batch = batch.set_column(place, field.name, column)
    return batch


def microseconds_of(type_: Any) -> Any:
    import pyarrow as arrow  # noqa: PLC0415 - an extra

    if arrow.types.is_timestamp(type_):
        return arrow.timestamp("us", tz=type_.tz)
    return arrow.duration("us") if arrow.types.is_duration(type_) else arrow.time64("us")


def rows_in(batch: Any) -> list[dict[str, Any] | str]:
    """The rows by column; of one that holds what Python cannot, such as a day of the year 30000, what is wrong."""
    import pyarrow as arrow  # noqa: PLC0415 - an extra

    try:
        rows: list[dict[str, Any] | str] = batch.to_pylist()
    except (ValueError, OverflowError, LookupError, arrow.ArrowException) as error:
        if batch.num_rows == 1:
            return [_("not readable: %(error)s") % {"error": error}]
        middle = batch.num_rows // 2
        return rows_in(batch.slice(0, middle)) + rows_in(batch.slice(middle))
    return rows


def parquet_columns(path: Path) -> list[str]:
    """The names of the columns, as `flat` makes them: of structs, those of their fields; a list is one column."""
    with open_parquet(path) as file:
        return list(_names(field for field in file.schema_arrow if field.name not in REPORT_COLUMNS))


def _names(fields: Iterable[Any], path: str = "", depth: int = 1) -> Iterator[str]:
    from pyarrow.types import is_struct  # noqa: PLC0415 - an extra

    for field in fields:
        if is_struct(field.type) and depth < MAX_DEPTH:
            yield from _names(field.type, f"{path}{field.name}.", depth + 1)
        else:
            yield path + field.name


def n_parquet_rows(path: Path) -> int:
    with open_parquet(path) as file:
        n_rows: int = file.metadata.num_rows
    return n_rows


def plain_value(value: Any) -> Any:
    """As JSON has it: times as ISO 8601, decimals as numbers (`exact`), bytes as text where they are one, else in hex;
    NaN is missing, and what JSON has no word for, such as a duration, is text.
    """
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return exact(str(int(value))) if value == value.to_integral_value() else float(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    if isinstance(value, dict):
        return {str(name): plain_value(item) for name, item in value.items()}
    if type(value) in (list, tuple):  # the pairs of a map are tuples
        return [plain_value(item) for item in value]
    return value if value is None or isinstance(value, str | int) else str(value)
