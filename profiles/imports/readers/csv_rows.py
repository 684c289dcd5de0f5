"""Rows of CSV: a broken one costs itself, and none behind it."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from profiles.imports.errors import ImportFileError
from profiles.imports.readers.lines import BOM, MAX_LINE, Line, open_bytes, read_lines, skip_rest
from profiles.imports.readers.row import REPORT_COLUMNS, Row, rearm

Record = tuple[int, list[str], str]
PROBLEMS = {
    "unexpected end of data": gettext_lazy("a quote is opened and not closed"),
    "expected after": gettext_lazy("a quote inside a quoted cell is not doubled"),
    "new-line character": gettext_lazy("lines end by CR alone: save the file with the line ends of Windows or Unix"),
    "field limit": gettext_lazy("a cell is too long"),
}


class Records:
    """Records of a CSV file with the lines that they were made of.

    Where the quotes do not fit, the first line alone is broken: the others that were read for it are read again, so
    that a stray quote does not swallow what follows.
    """

    def __init__(self, lines: Iterator[Line], delimiter: str) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._again: deque[Line] = deque()
        self._taken: list[Line] = []

    def __iter__(self) -> Iterator[Record]:
        """Line where it starts, cells, and what is wrong with it; then the cells are the text of the line."""
        reader = self._reader()
        while True:
            self._taken.clear()
            try:
                cells = next(reader, None)
            except csv.Error as error:
                first, *rest = self._taken
                self._again.extendleft(reversed(rest))
                reader = self._reader()
                yield first.number, [first.text.rstrip("\r\n")], first.problem or in_words(error)
                continue
            if cells is None:
                return
            first = self._taken[0]
            is_one = len(self._taken) == 1
            problem = first.problem if is_one else next((line.problem for line in self._taken if line.problem), "")
            yield first.number, cells, problem

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(self._feed(), delimiter=self._delimiter, strict=True)

    def _feed(self) -> Iterator[str]:
        while (line := self._again.popleft() if self._again else next(self._lines, None)) is not None:
            self._taken.append(line)
            yield line.text


def in_words(error: csv.Error) -> str:
    """What the library says of broken CSV, for who made the file; anything else as it says it."""
    said = str(error)
    return next((str(words) for known, words in PROBLEMS.items() if known in said), said)


def read_csv(
    path: Path, encoding: str, delimiter: str, *, has_header: bool = True, is_look: bool = False
) -> Iterator[Row]:
    """The rows below the header, if there is one; those with nothing in them are passed by.

    Raises ImportFileError for an empty file.
    """
    records = iter(Records(read_lines(path, encoding, is_look=is_look), delimiter))
    header, first = header_of(records, has_header=has_header)
    columns = [(position, name) for position, name in enumerate(header) if name not in REPORT_COLUMNS]
    is_report = len(columns) < len(header)
    names, number = [name for _position, name in columns], 0
    for line, cells, problem in chain(first, records):
        if not problem and not "".join(cells).strip():
            continue
        number += 1
        if not problem and len(cells) != len(header):
            said = ngettext(
                "%(n)d cell, where the header has %(columns)d",
                "%(n)d cells, where the header has %(columns)d",
                len(cells),
            )
            problem = said % {"n": len(cells), "columns": len(header)}
        if problem:
            yield Row(number, line, {}, tuple(cells), problem)
            continue
        if is_report:
            cells = [rearm(cells[position]) for position, _name in columns]
        yield Row(number, line, dict(zip(names, cells, strict=True)), tuple(cells))


def count_csv(path: Path, encoding: str, delimiter: str, *, has_header: bool = True) -> int:
    """How many rows `read_csv` yields. Without quotes every line is one for itself, which need not be taken apart."""
    _header, first = header_of(iter(Records(read_lines(path, encoding), delimiter)), has_header=has_header)
    n_rows = len(first) - 1  # the line that was read for the header is counted below
    blanks = b" \t\r\n\v\f" + delimiter.encode()
    mark = BOM.encode(encoding)
    with open_bytes(path) as file:
        while raw := file.readline(MAX_LINE):
            raw, mark = raw.removeprefix(mark), b""
            if b'"' in raw:
                return sum(1 for _row in read_csv(path, encoding, delimiter, has_header=has_header))
            if len(raw) == MAX_LINE and not raw.endswith(b"\n"):
                skip_rest(file)
                n_rows += 1
            elif (raw.isascii() and raw.translate(None, blanks)) or not is_blank(raw, encoding, delimiter):
                n_rows += 1
    return n_rows


def is_blank(raw: bytes, encoding: str, delimiter: str) -> bool:
    """Whether a line holds nothing but spaces of any kind. What is no text is something, as is a broken end of line."""
    if b"\r" in raw.rstrip(b"\r\n"):
        return False
    try:
        return not raw.decode(encoding).replace(delimiter, "").strip()
    except UnicodeDecodeError:
        return False


def csv_header(path: Path, encoding: str, delimiter: str, *, has_header: bool = True) -> list[str]:
    """The names of the columns in their order, those of a report left out; without a header, their numbers from 1."""
    records = iter(Records(read_lines(path, encoding, is_look=True), delimiter))
    header, _first = header_of(records, has_header=has_header)
    return [name for name in header if name not in REPORT_COLUMNS]


def header_of(records: Iterator[Record], *, has_header: bool) -> tuple[list[str], list[Record]]:
    """The names, and the record that they were told of where it is a row. A report of ours has a header in any case."""
    for line, cells, problem in records:
        if problem:
            raise ImportFileError(
                _("The first line, by which the columns are told, cannot be read: %(problem)s") % {"problem": problem}
            )
        if any(cell.strip() for cell in cells):
            names = [cell.strip() for cell in cells]
            if not set(names).isdisjoint(REPORT_COLUMNS):
                return [rearm(name) for name in names], []
            if has_header:
                return names, []
            return [str(number) for number in range(1, len(cells) + 1)], [(line, cells, problem)]
    raise ImportFileError(_("The file is empty."))
