"""What can be told of a file before anything is known of its meaning."""

from __future__ import annotations

import csv
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from profiles.imports.errors import ImportFileError
from profiles.imports.readers import Reading, columns_of, open_rows, unreadable
from profiles.imports.readers.lines import MAX_LINE, open_bytes, open_start, read_lines

SAMPLE_ROWS = 50
SNIFFED_LINES = 50
TELLING_LINES = 20_000  # lines that are not ASCII, of which the encoding is told
DELIMITERS = (",", ";", "\t", "|")
PARQUET_MARK = b"PAR1"
SUFFIXES = {".csv": "csv", ".txt": "csv", ".tsv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet"}
MARKUP = re.compile(rb"<(!doctype|\?xml|html|head|meta|table)\b", re.IGNORECASE)
JSON_TEXT = re.compile(rb"\[\s*\{|\{\s*[\r\n]")  # a list of objects, or an object over several lines
OTHER_KINDS = {b"PK\x03\x04": ".xlsx", b"\xd0\xcf\x11\xe0": ".xls"}


@dataclass(frozen=True)
class FileFacts:
    """How a file is read, and how it begins.

    `format` is `csv`, `ndjson` or `parquet`; `encoding` `utf-8` or `gb18030`; `delimiter` one of `,;\\t|` (of CSV).
    `columns` are the names of its header as often as they are there; of NDJSON dotted paths in the order of their
    first sight. `sample` holds the first whole rows (at most SAMPLE_ROWS), each by column name. `warnings` are
    sentences about the file as a whole, such as that it has no rows.
    """

    format: str
    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    sample: tuple[dict[str, Any], ...]
    warnings: tuple[str, ...] = ()
    has_header: bool = True

    @property
    def reading(self) -> Reading:
        return Reading(self.format, self.encoding, self.delimiter, self.has_header)


def facts_of(
    path: Path, *, name: str = "", format: str = "", encoding: str = "", delimiter: str = "", has_header: bool = True
) -> FileFacts:
    """Look at a file, of which no more than the start is read (readers/lines.py); what is given is not guessed.

    Raises:
        ImportFileError: it cannot be read.
    """
    try:
        format = format or guess_format(path, name=name or path.name)
        if format == "parquet":
            reading = Reading(format)
        else:
            encoding = encoding or guess_encoding(path)
            reading = Reading(format, encoding)
            if format == "csv":
                reading = reading._replace(delimiter=delimiter or guess_delimiter(path, encoding))
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(error) from error
    reading = reading._replace(has_header=has_header or format != "csv")
    columns = columns_of(path, reading)
    sample = [row.cells for row in islice(open_rows(path, reading, is_look=True), SAMPLE_ROWS) if not row.problem]
    warnings = tuple(warnings_of(columns, sample))
    return FileFacts(*reading[:3], tuple(columns), tuple(sample), warnings, reading.has_header)


def warnings_of(columns: Sequence[str], sample: Sequence[dict[str, Any]]) -> list[str]:
    found = []
    if not sample:
        found.append(_("The file has no rows that can be read."))
    if doubled := sorted(name for name, n in Counter(columns).items() if name and n > 1):
        found.append(_("There is more than one column named %(names)s.") % {"names": ", ".join(doubled)})
    if nameless := columns.count(""):
        found.append(
            ngettext(
                "%(n)d column has no name: it is passed by.",
                "%(n)d columns have no name: they are passed by.",
                nameless,
            )
            % {"n": nameless}
        )
    return found


def guess_format(path: Path, *, name: str) -> str:
    """By the first bytes, then by the name."""
    with path.open("rb") as file:
        mark = file.read(4)
    if mark == PARQUET_MARK:
        return "parquet"
    if mark in OTHER_KINDS:
        raise ImportFileError(
            _("The file is a workbook (%(kind)s): save the sheet as CSV.") % {"kind": OTHER_KINDS[mark]}
        )
    with open_bytes(path) as packed:
        start = packed.read(MAX_LINE).lstrip(b"\xef\xbb\xbf \t\r\n")
    if MARKUP.match(start):
        raise ImportFileError(
            _("The file is a web page or XML, as some programs export for Excel: open it there, and save it as CSV.")
        )
    if JSON_TEXT.match(start):
        raise ImportFileError(_("The file is one JSON text: write one object a line (NDJSON)."))
    if start.startswith(b"{"):
        return "ndjson"
    suffix = Path(name.removesuffix(".gz")).suffix.lower()
    return SUFFIXES.get(suffix, "csv") if SUFFIXES.get(suffix) != "parquet" else "csv"


def guess_encoding(path: Path) -> str:
    """UTF-8 if most of the lines that are not ASCII are, else GB18030, of which GBK and GB2312 are parts.

    Line by line, so that one broken byte does not decide: much UTF-8 can be read as GB18030, to no sense, while
    hardly any Chinese in GB18030 happens to be UTF-8.
    """
    n_telling = n_utf8 = 0
    with open_start(path) as file:
        while n_telling < TELLING_LINES and (line := file.readline(MAX_LINE)):
            if line.isascii():
                continue
            n_telling += 1
            n_utf8 += is_utf8(line)
    return "utf-8" if n_utf8 * 2 >= n_telling else "gb18030"


def is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def guess_delimiter(path: Path, encoding: str) -> str:
    """What cuts the first lines into the most cells, and into equally many in most of them; a comma where none does."""
    lines = [line.text for line in islice(read_lines(path, encoding, is_look=True), SNIFFED_LINES)]
    return max(DELIMITERS, key=lambda delimiter: (agreement(lines, delimiter), -DELIMITERS.index(delimiter)))


def agreement(lines: Sequence[str], delimiter: str) -> float:
    """Share of the rows that have as many cells as the header, times the number of these; 0 if the header has one."""
    try:
        sizes = [len(cells) for cells in csv.reader(lines, delimiter=delimiter) if cells]
    except csv.Error:
        return 0
    if not sizes or sizes[0] == 1:
        return 0
    return sum(size == sizes[0] for size in sizes) / len(sizes) * sizes[0]
