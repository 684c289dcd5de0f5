"""The file of the refused rows: as the original is, with the number of each row and the reason before its columns.

In CSV a quote stands before what a spreadsheet would run as a formula; uploaded again, it is taken off.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from profiles.imports.readers import Reading, columns_of
from profiles.imports.readers.row import REASON_COLUMN, ROW_COLUMN, disarm
from profiles.imports.understand import Understood
from profiles.models import Import


class RefusedRows:
    """Appends to the file of an import, which begins with the first refused row.

    The size that was committed with a batch decides what counts: what a killed worker wrote behind it is cut off.
    """

    def __init__(self, import_: Import, reading: Reading, source: Path) -> None:
        self.import_ = import_
        self.reading = reading
        self.source = source

    def append(self, rows: Sequence[Understood]) -> None:
        """Write the rows durably, and set `refused_file` and `refused_size` of the import, which is not saved."""
        if not rows:
            return
        if not self.import_.refused_file:
            self.import_.refused_file.name = default_storage.save(refused_path(self.import_), ContentFile(b""))
            self.import_.refused_size = 0
        is_new = self.import_.refused_size == 0
        with Path(self.import_.refused_file.path).open("r+b") as file:
            file.truncate(self.import_.refused_size)
            file.seek(0, os.SEEK_END)
            for piece in self._lines(rows, is_new=is_new):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
            self.import_.refused_size = file.tell()

    def _lines(self, rows: Iterable[Understood], *, is_new: bool) -> Iterable[bytes]:
        if self.reading.format == "ndjson":
            return (json_line(row, self.reading.encoding) for row in rows)
        header = columns_of(self.source, self.reading)
        out = io.StringIO()
        writer = csv.writer(out, delimiter=self.reading.delimiter, lineterminator="\r\n")
        if is_new:
            if self.reading.encoding == "utf-8":
                out.write("\ufeff")  # by which Excel knows it
            writer.writerow([ROW_COLUMN, REASON_COLUMN, *map(disarm, header)])
        for row in rows:
            cells = (
                row.row.text if self.reading.format == "csv" else [plain(row.row.cells.get(name)) for name in header]
            )
            writer.writerow([row.row.number, disarm(row.reason()), *map(disarm, cells)])
        return [out.getvalue().encode(self.reading.encoding, errors="replace")]


def json_line(row: Understood, encoding: str) -> bytes:
    """The object with its number and reason; of a line that is none, both and the text of the line."""
    report = {ROW_COLUMN: row.row.number, REASON_COLUMN: row.reason()}
    written = orjson.loads(row.row.text[0]) if row.row.cells else {"line": row.row.text[0]}
    return orjson.dumps({**report, **written}).decode().encode(encoding, errors="replace") + b"\n"


def plain(cell: Any) -> str:
    """A value of Parquet as a cell of CSV."""
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else orjson.dumps(cell).decode()


def refused_name(import_: Import) -> str:
    """`members.refused.csv` of `members.csv`; that of a Parquet file is CSV too."""
    stem = Path(import_.name.removesuffix(".gz")).stem or "rows"
    return f"{stem}.refused.{'ndjson' if import_.format == 'ndjson' else 'csv'}"


def refused_path(import_: Import) -> str:
    return f"{Path(import_.file.name or '').parent}/{import_.pk}.{Path(refused_name(import_)).suffix.lstrip('.')}"
