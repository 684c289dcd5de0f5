"""Rows of NDJSON: one object a line; what is nested has the dotted path as its column."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from django.utils.translation import gettext as _

from profiles.imports.readers.lines import Line, read_lines
from profiles.imports.readers.row import REPORT_COLUMNS, Row

MAX_DEPTH = 10


def read_ndjson(path: Path, encoding: str, *, is_look: bool = False) -> Iterator[Row]:
    number = 0
    for line in read_lines(path, encoding, is_look=is_look):
        if line.text.strip() or line.problem:
            number += 1
            yield row_of(number, line)


def row_of(number: int, line: Line) -> Row:
    problem, found = line.problem, None
    if not problem:
        try:
            found = orjson.loads(line.text)
        except orjson.JSONDecodeError as error:
            problem = _("not JSON: %(error)s") % {"error": error}
        else:
            problem = "" if isinstance(found, dict) else _("not a JSON object")
    if problem or found is None:
        return Row(number, line.number, {}, (line.text.rstrip("\r\n"),), problem)
    for name in REPORT_COLUMNS:
        found.pop(name, None)
    return Row(number, line.number, flat(found), (orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode(),))


def flat(found: dict[str, Any], path: str = "", depth: int = 1) -> dict[str, Any]:
    """`{"address": {"city": "Oslo"}}` as `{"address.city": "Oslo"}`; below MAX_DEPTH it stays nested."""
    cells: dict[str, Any] = {}
    for name, value in found.items():
        if isinstance(value, dict) and depth < MAX_DEPTH:
            cells |= flat(value, f"{path}{name}.", depth + 1)
        else:
            cells[path + name] = value
    return cells
