"""Rows of NDJSON: one object a line; what is nested has the dotted path as its column."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from django.utils.translation import gettext as _

from cdp.json_field import whole
from profiles.imports.readers.lines import Line, read_lines
from profiles.imports.readers.row import REPORT_COLUMNS, Row

MAX_DEPTH = 10
LONG_NUMBER = re.compile(r"-\d{19}|\d{20}", re.ASCII)  # may have more than 64 bits, and orjson makes a float of these


def read_ndjson(path: Path, encoding: str, *, is_look: bool = False) -> Iterator[Row]:
    number = 0
    for line in read_lines(path, encoding, is_look=is_look):
        if line.text.strip() or line.problem:
            number += 1
            yield row_of(number, line)


def row_of(number: int, line: Line) -> Row:
    problem = line.problem
    if not problem:
        try:
            found = parsed(line.text)
            if isinstance(found, dict):
                for name in REPORT_COLUMNS:
                    found.pop(name, None)
                return Row(number, line.number, flat(found), (as_json(found),))
            problem = _("not a JSON object")
        except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError) as error:  # the last two: nested deeply
            problem = _("not JSON: %(error)s") % {"error": error}
    return Row(number, line.number, {}, (line.text.rstrip("\r\n"),), problem)


def parsed(text: str) -> Any:
    """JSON whose whole numbers keep their digits (`exact`). Raises orjson.JSONDecodeError or RecursionError."""
    found = orjson.loads(text)
    return json.loads(text, parse_int=exact) if LONG_NUMBER.search(text) else found  # noqa: TID251 - by `exact`


def exact(digits: str) -> int | str:
    """A whole number; beyond 64 bits as text, since who reads it as JSON would make a float of it."""
    number = whole(digits)
    return digits if number is None else number


def as_json(found: dict[str, Any]) -> str:
    """The whole row as text. Raises orjson.JSONEncodeError where it is nested more deeply than can be written."""
    return orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode()


def flat(found: dict[str, Any], path: str = "", depth: int = 1) -> dict[str, Any]:
    """`{"address": {"city": "Oslo"}}` as `{"address.city": "Oslo"}`; below MAX_DEPTH it stays nested."""
    cells: dict[str, Any] = {}
    for name, value in found.items():
        if isinstance(value, dict) and depth < MAX_DEPTH:
            cells |= flat(value, f"{path}{name}.", depth + 1)
        else:
            cells[path + name] = value
    return cells
