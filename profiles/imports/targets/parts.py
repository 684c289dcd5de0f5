"""Reading a target's part of a mapping: a list of objects, with columns in them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _

from profiles.imports.cells import CellError, as_text, consent_state
from profiles.imports.targets import Reporter
from profiles.models import Consent


def objects(given: Any, reporter: Reporter, *, allowed: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Path and object of each part; whatever else is there is reported."""
    if not isinstance(given, list) or not given:
        reporter.problem("", _("not a list of objects"))
        return
    for place, said in enumerate(given):
        path = f"[{place}]"
        if not isinstance(said, dict):
            reporter.problem(path, _("not a JSON object"))
            continue
        for key in sorted(said.keys() - set(allowed)):
            reporter.problem(f"{path}.{key}", _("unknown key; known: %(keys)s") % {"keys": ", ".join(allowed)})
        yield path, said


def text_or_column(said: Mapping[str, Any], key: str, path: str, reporter: Reporter) -> tuple[str, str]:
    """`"text"` or `{"column": "name"}`: the text and the column, one of them or both empty."""
    given = said.get(key, "")
    if isinstance(given, str):
        return given, ""
    if isinstance(given, dict) and given.keys() == {"column"} and isinstance(given["column"], str) and given["column"]:
        return "", given["column"]
    reporter.problem(f"{path}.{key}", _("neither a text nor {“column”: …}"))
    return "", ""


def column_of(said: Mapping[str, Any], key: str, path: str, reporter: Reporter) -> str:
    """The column that `{"column": "name"}` names; "" where the key is not there."""
    text, column = text_or_column(said, key, path, reporter)
    if text:
        reporter.problem(f"{path}.{key}", _("needs {“column”: …}"))
    return column


def cell(cells: Mapping[str, Any], column: str) -> str:
    return as_text(cells.get(column)).strip()


def is_meant(cells: Mapping[str, Any], when: str) -> bool:
    """Whether the row says yes in the column `when`; without such a column it does. Raises CellError."""
    if not when:
        return True
    word = cell(cells, when)
    try:
        return bool(word) and consent_state(word) == Consent.State.GRANTED
    except CellError as error:
        raise CellError(f"{when}: {error}") from None
