"""Files of every format as rows, streamed: no file is held in memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from django.utils.translation import gettext as _

from cdp.file_errors import in_words
from profiles.imports.errors import ImportFileError
from profiles.imports.readers.csv_rows import count_csv, csv_header, read_csv
from profiles.imports.readers.json_rows import read_ndjson
from profiles.imports.readers.parquet_rows import n_parquet_rows, parquet_columns, read_parquet
from profiles.imports.readers.row import Row
from profiles.models import Import

__all__ = ["Reading", "Row", "columns_of", "count_rows", "open_rows", "reading_as_stored", "unreadable"]

HEADER_ROWS = 10_000  # of NDJSON, whose columns are those that its first rows have: a tenth of a second


class Reading(NamedTuple):
    """How a file is read: `csv`, `ndjson` or `parquet`, `utf-8` or `gb18030`; the delimiter is that of CSV.

    Without a header, the columns of CSV are named `1`, `2`, `3`, …, and its first line is a row.
    """

    format: str
    encoding: str = "utf-8"
    delimiter: str = ","
    has_header: bool = True

    @property
    def is_open(self) -> bool:
        """Whether each row has columns of its own, so that the first ones do not tell all."""
        return self.format == "ndjson"


def reading_as_stored(import_: Import) -> Reading:
    has_header = not (isinstance(import_.mapping, dict) and import_.mapping.get("header") is False)
    return Reading(import_.format, import_.encoding, import_.delimiter, has_header)


def open_rows(path: Path, reading: Reading, *, is_look: bool = False) -> Iterator[Row]:
    """The rows in their order; a broken one says so by its `problem`. For a look, those of the start alone.

    Raises:
        ImportFileError: the file as a whole cannot be read.
    """
    try:
        if reading.format == "parquet":
            yield from read_parquet(path)
        elif reading.format == "ndjson":
            yield from read_ndjson(path, reading.encoding, is_look=is_look)
        else:
            yield from read_csv(
                path, reading.encoding, reading.delimiter, has_header=reading.has_header, is_look=is_look
            )
    except (OSError, EOFError, zlib.error) as error:  # EOFError: a packed file that was cut off
        raise unreadable(error) from error


def columns_of(path: Path, reading: Reading) -> list[str]:
    """The names of the columns, as often as they are there. Raises ImportFileError."""
    try:
        if reading.format == "parquet":
            names = parquet_columns(path)
        elif reading.format == "csv":
            names = csv_header(path, reading.encoding, reading.delimiter, has_header=reading.has_header)
        else:
            rows = islice(open_rows(path, reading, is_look=True), HEADER_ROWS)
            names = list(dict.fromkeys(name for row in rows for name in row.cells))
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(error) from error
    if any("\0" in name for name in names):
        raise ImportFileError(_("The file is no table: a column is named by NUL characters."))
    return names


def count_rows(path: Path, reading: Reading) -> int:
    """How many rows there are: half a second for a million of CSV. Raises ImportFileError."""
    try:
        if reading.format == "parquet":
            return n_parquet_rows(path)
        if reading.format == "csv":
            return count_csv(path, reading.encoding, reading.delimiter, has_header=reading.has_header)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(error) from error
    return sum(1 for _row in open_rows(path, reading))


def unreadable(error: OSError | EOFError | zlib.error) -> ImportFileError:
    """Without the name of the file: under that it is stored, which says nothing to whoever uploaded it."""
    what = in_words(error) if isinstance(error, OSError) else error
    return ImportFileError(_("The file cannot be read: %(error)s") % {"error": what})
