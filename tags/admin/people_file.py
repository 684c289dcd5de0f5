"""The people of an uploaded file: a list, or a table one of whose columns names them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from profiles.imports.cells import CellError, as_name
from profiles.imports.errors import ImportFileError
from profiles.imports.facts import FileFacts, facts_of
from profiles.imports.guess import Attributes, guess
from profiles.imports.mapping import kinds_of
from profiles.imports.readers import open_rows
from profiles.models.source import DEFAULT_REGION

MAX_ROWS = 100_000  # phone numbers, the slowest, take 7 µs each to be read, and somebody waits
MAX_BYTES = 20 * 1024**2
IDENTIFYING = re.compile(r"[\d@]")


def identifiers_of(file: UploadedFile[Any], kind: str) -> list[str]:
    """What stands in the column of this kind, without repetition: told by its name or its cells, else the first.

    CSV is read with and without a heading: a first line without any digit or @ is one. Raises ValidationError.
    """
    if (file.size or 0) > MAX_BYTES:
        raise ValidationError(_("At most %(n)d MB: larger files are for an import.") % {"n": MAX_BYTES // 1024**2})
    try:
        with stored(file) as path:
            facts = facts_of(path, name=file.name or "")
            place = place_of(facts, kind)
            reading = facts.reading._replace(has_header=facts.format != "csv")
            rows = islice(open_rows(path, reading), MAX_ROWS + 2)
            cells = [
                as_name(row.cells.get(facts.columns[place] if reading.has_header else f"{place + 1}")) for row in rows
            ]
    except (ImportFileError, CellError) as error:
        raise ValidationError(str(error)) from error
    if cells and not reading.has_header and not IDENTIFYING.search(cells[0]):
        del cells[0]
    found = list(dict.fromkeys(filter(None, cells)))
    if not 0 < len(cells) <= MAX_ROWS or not found:
        raise ValidationError(_("The file must have one to %(n)s rows.") % {"n": f"{MAX_ROWS:,}"})
    return found


@contextmanager
def stored(file: UploadedFile[Any]) -> Iterator[Path]:
    """On the disk for a moment, as readers of files need it."""
    with NamedTemporaryFile(suffix=".upload") as copy:
        for chunk in file.chunks():
            copy.write(chunk)
        copy.flush()
        yield Path(copy.name)


def place_of(facts: FileFacts, kind: str) -> int:
    """Which column has the identifiers of a kind; the first, where none looks like it."""
    guessed = guess(facts, region=DEFAULT_REGION, attributes=Attributes()).get("identifiers", {})
    return next((facts.columns.index(name) for name, said in guessed.items() if kind in kinds_of(said)), 0)
