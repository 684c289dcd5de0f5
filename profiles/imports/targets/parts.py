"""Reading a target's part of a mapping: a list of objects, with columns in them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from profiles.imports.cells import CellError, as_text, consent_state
from profiles.imports.targets import Conditional, Reporter
from profiles.models import Consent

Thing = TypeVar("Thing")


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


@dataclass(frozen=True)
class Named(Generic[Thing]):
    """Which things of a target an object of a mapping names: `thing`, or those in the cells of `column`, parted by
    `split` where that is not empty. `known` are all that files may name, by key and by name; `archived` the keys and
    names of those that they may name once they are restored.
    """

    known: Mapping[str, Thing]
    unknown: str | Promise
    archived: Collection[str]
    thing: Thing | None
    column: str
    split: str

    def in_row(self, cells: Mapping[str, Any]) -> list[Thing]:
        """Raises CellError."""
        if self.thing is not None:
            return [self.thing]
        return [self._of(name) for name in pieces(cell(cells, self.column), self.split)]

    def _of(self, name: str) -> Thing:
        if name not in self.known:
            raise CellError(why_not(name, self.unknown, self.archived), column=self.column)
        return self.known[name]


def why_not(name: str, unknown: str | Promise, archived: Collection[str]) -> str:
    """Why a file may not name it."""
    shown = name[:60]
    return str(_("“%s” is archived: restore it first.") % shown if name in archived else unknown % {"name": shown})


def pieces(written: str, split: str) -> list[str]:
    """The names in a cell."""
    names = written.split(split) if split else [written]
    return [name.strip() for name in names if name.strip()]


def read_named(
    said: Mapping[str, Any],
    key: str,
    path: str,
    reporter: Reporter,
    *,
    known: Mapping[str, Thing],
    missing: str | Promise,
    unknown: str | Promise,
    keys: Collection[str],
    archived: Collection[str],
) -> Named[Thing] | None:
    """The things that `said[key]` and `said["split"]` name; None where they name none, as is reported then.

    `unknown` says that there is none `%(name)s`, `keys` are what there is, `archived` the keys and names of what is not
    in use.
    """
    name, column = text_or_column(said, key, path, reporter)
    split = said.get("split", "")
    if not isinstance(split, str):
        reporter.problem(f"{path}.split", _("not a text"))
        return None
    if not name and not column:
        reporter.problem(f"{path}.{key}", str(missing))
        return None
    if name and name not in known:
        if name in archived:
            reporter.problem(f"{path}.{key}", why_not(name, unknown, archived))
            return None
        there_are = _("%(problem)s; there are: %(known)s")
        said_keys = ", ".join(sorted(keys)) or "-"
        reporter.problem(f"{path}.{key}", there_are % {"problem": unknown % {"name": name}, "known": said_keys})
        return None
    return Named(known, unknown, archived, known[name] if name else None, column, split)


@contextmanager
def at_column(name: str) -> Iterator[None]:
    """What cannot be read here stands in this column."""
    try:
        yield
    except CellError as error:
        raise CellError(str(error), column=name) from None


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
        raise CellError(str(error), column=when) from None


def is_switched_off(parts: Iterable[Conditional], cells: Mapping[str, Any]) -> bool:
    """Whether a column `when` of some part says no. Raises CellError."""
    return any(part.when and not is_meant(cells, part.when) for part in parts)
