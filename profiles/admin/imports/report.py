"""The beginning of the refused rows, to be read on the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import orjson
from django.utils.translation import gettext, pgettext

from profiles.imports.readers.row import REASON_COLUMN, ROW_COLUMN
from profiles.imports.refused import plain
from profiles.models import Import
from profiles.services.imports import refused_rows

SHOWN = 20
READ_BYTES = 256 * 1024


@dataclass(frozen=True)
class RefusedSample:
    """The first refused rows, their number and reason first; `more` says that the file has others."""

    columns: list[str]
    rows: list[list[str]]
    more: bool


def refused_sample(imported: Import) -> RefusedSample | None:
    """None where no row was refused. Reads the beginning of the file alone."""
    if not imported.refused_size:
        return None
    start = b""
    for piece in refused_rows(imported):
        start += piece
        if len(start) >= READ_BYTES:
            break
    text = start.decode(imported.encoding, errors="replace").removeprefix("\ufeff")
    header, *rows = islice(records_of(text, imported), SHOWN + 2)
    own = {ROW_COLUMN: pgettext("of a file", "Row"), REASON_COLUMN: gettext("Why it was refused")}
    more = len(rows) > SHOWN or len(start) >= READ_BYTES
    return RefusedSample([own.get(name, name) for name in header], rows[:SHOWN], more=more)


def records_of(text: str, imported: Import) -> Iterator[list[str]]:
    """The header, then the rows. In NDJSON each row has names of its own: those of the first are shown."""
    if imported.format != Import.Format.NDJSON:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=imported.delimiter)
        return
    header: list[str] = []
    for line in text.splitlines():
        try:
            row = orjson.loads(line)
        except ValueError:  # the end of what was read
            return
        if not header:
            yield (header := list(row))
        yield [plain(row.get(name)) for name in header]
