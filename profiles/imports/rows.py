"""The rows of a CSV file, one at a time, each with its place."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from profiles.imports.errors import ImportFileError
from profiles.imports.mapping import FileMapping

if TYPE_CHECKING:
    import _csv

BOM = "\ufeff"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Row(NamedTuple):
    """`line` is where it starts (1 is the header); `cells` are the mapped columns, stripped; `text` is all of it."""

    line: int
    cells: dict[str, str]
    text: tuple[str, ...]


def read_rows(path: Path, mapping: FileMapping) -> Iterator[Row]:
    """Stream the rows below the header; empty lines are passed by.

    Raises:
        ImportFileError: the file cannot be read, a column is missing, or a row is broken; with file, line and column.
    """
    try:
        with path.open("rb") as file:
            lines = decoded(path, file, mapping.encoding)
            reader = csv.reader(lines, delimiter=mapping.delimiter, strict=True)
            yield from rows(path, reader, mapping)
    except OSError as error:
        raise ImportFileError(f"{path.name}: {error.strerror}") from error


def decoded(path: Path, lines: Iterator[bytes], encoding: str) -> Iterator[str]:
    """The lines as text. Neither encoding uses the byte of a line end for anything else."""
    for number, raw in enumerate(lines, start=1):
        if number == 1 and raw.startswith(UTF16_MARKS):
            raise ImportFileError(f"{path.name}: this is UTF-16; save it as UTF-8")
        try:
            line = raw.decode(encoding)
        except UnicodeDecodeError as error:
            other = "gb18030" if encoding == "utf-8" else "utf-8"
            raise ImportFileError(
                f"{path.name}: line {number}, byte {error.start + 1}: 0x{raw[error.start]:02x} is not {encoding}; "
                f'if the file is {other}, write "encoding": "{other}" in the mapping'
            ) from None
        yield line.removeprefix(BOM) if number == 1 else line


def rows(path: Path, reader: _csv.Reader, mapping: FileMapping) -> Iterator[Row]:
    header: list[str] | None = None
    positions: dict[str, int] = {}
    start = 1
    while True:
        try:
            found = next(reader, None)
        except csv.Error as error:
            raise ImportFileError(f"{path.name}: line {start}: {error}") from None
        if found is None:
            break
        line, start = start, reader.line_num + 1
        if not any(cell.strip() for cell in found):
            continue
        if header is None:
            header = [name.strip() for name in found]
            positions = place_columns(path, header, mapping)
            continue
        if len(found) != len(header):
            raise ImportFileError(f"{path.name}: line {line}: {len(found)} cells, where the header has {len(header)}")
        yield Row(line, {name: found[position].strip() for name, position in positions.items()}, tuple(found))
    if header is None:
        raise ImportFileError(f"{path.name}: the file is empty")


def place_columns(path: Path, header: list[str], mapping: FileMapping) -> dict[str, int]:
    """Where each mapped column stands."""
    for name in sorted(mapping.columns()):
        if name not in header:
            raise ImportFileError(f"{path.name}: line 1: no column {name!r}; there are: {', '.join(header)}")
        if header.count(name) > 1:
            raise ImportFileError(f"{path.name}: line 1: column {name!r} is there {header.count(name)} times")
    return {name: header.index(name) for name in mapping.columns()}
