"""Whether a mapping fits a file: each column that it names must be there, once. And what is wrong, in one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from django.utils.translation import gettext as _

from profiles.imports.errors import MappingProblem
from profiles.imports.mapping import FileMapping

N_NAMED = 30  # columns of the file that a problem names


def misfits(
    mapping: Mapping[str, Any], parsed: FileMapping, columns: Collection[str], *, is_open: bool
) -> Iterator[MappingProblem]:
    """The columns that the mapping names, and the file has not, or several times; of an open one, any that says who it
    is will do. `mapping` is the JSON, where each has its place.
    """
    if is_open and any(column.name in columns for column in parsed.identifiers):
        return
    counted = Counter(columns)
    wrong = [name for name in sorted(parsed.columns()) if counted[name] != 1]
    places = first_places(mapping) if wrong else {}
    there_are = some_of(columns)
    for name in wrong:
        if not counted[name]:
            message = _("the file has no column “%(name)s”; it has: %(columns)s")
            message %= {"name": name, "columns": there_are}
        else:
            message = _("the file has %(n)d columns named “%(name)s”")
            message %= {"n": counted[name], "name": name}
        yield MappingProblem(places.get(name, ""), message, name, lacks=not counted[name])


def first_places(mapping: Any) -> dict[str, str]:
    """Where in the JSON each text stands first, as a key or by itself: there, a column is named."""
    places: dict[str, str] = {}
    for text, path in texts_in(mapping):
        places.setdefault(text, path)
    return places


def texts_in(mapping: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every key and text with its path, but for values of all rows and for words of cells."""
    if isinstance(mapping, dict):
        for key, value in mapping.items():
            below = f"{path}.{key}".lstrip(".")
            yield key, below
            if key not in ("constants", "values"):
                yield from texts_in(value, below)
    elif isinstance(mapping, list):
        for index, value in enumerate(mapping):
            yield from texts_in(value, f"{path}[{index}]")
    elif isinstance(mapping, str):
        yield mapping, path


def in_one(problems: Sequence[MappingProblem], columns: Collection[str]) -> str:
    """What is wrong with the mapping, the first of it with its place; else with the file, all columns that it lacks in
    one sentence.
    """
    first = problems[0]
    if not first.column:
        place = f', "{first.path}"' if first.path else ""
        return f"{_('mapping')}{place}: {first.message}"
    lacking = [problem for problem in problems if problem.lacks]
    if len(lacking) < 2:
        return " · ".join(problem.message for problem in problems)
    names = ", ".join(f"“{problem.column}”" for problem in lacking[:N_NAMED]) + (" …" if len(lacking) > N_NAMED else "")
    said = _("the file has none of the columns %(names)s; it has: %(columns)s")
    others = [problem.message for problem in problems if not problem.lacks]
    return " · ".join([said % {"names": names, "columns": some_of(columns)}, *others])


def some_of(columns: Collection[str]) -> str:
    """The columns of a file, the first where there are many."""
    names = dict.fromkeys(columns)
    return ", ".join(islice(names, N_NAMED)) + (" …" if len(names) > N_NAMED else "")
