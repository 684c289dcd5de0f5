"""Rows of the preview, cell by cell: what stands in the file, what it becomes, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext

from cdp.clocks import on_clocks
from profiles.admin.imports.column_form import state_of
from profiles.imports.facts import FileFacts
from profiles.imports.preview import PreviewRow
from profiles.models import Consent
from profiles.templatetags.profile_values import attribute_value

MAX_COLUMNS = 60


@dataclass(frozen=True)
class Cell:
    """`becomes` is empty where nothing is made of the cell, or what is made of it reads the same."""

    written: str
    becomes: str
    problem: str
    is_refusal: bool


@dataclass(frozen=True)
class ShownRow:
    """`said` is what the row says beside its cells: an event, tags; `problem` what is wrong with it as a whole."""

    number: int
    cells: list[Cell]
    said: str
    problem: str
    is_refused: bool


@dataclass(frozen=True)
class Preview:
    """The first of the columns that are used, `n_more` of which are left out, and the first rows."""

    columns: list[str]
    n_more: int
    rows: list[ShownRow]
    n_refused: int

    @property
    def says_more(self) -> bool:
        return any(row.said for row in self.rows)

    @property
    def in_words(self) -> str:
        if not self.rows:
            return gettext("There is no row to take in.")
        if not self.n_refused:
            return gettext("All of them would be taken in.")
        numbers = {"refused": self.n_refused, "rows": len(self.rows)}
        return gettext("%(refused)s of %(rows)s would be refused.") % numbers


def understood_rows(rows: Iterable[PreviewRow], mapping: Mapping[str, Any], facts: FileFacts) -> Preview:
    """Only the columns that become something are shown, at most MAX_COLUMNS: a file may have thousands."""
    state = state_of(mapping, facts.columns)
    read = {value["column"] for item in items_of(state) for value in item.values() if is_column(value)}
    used = [column for column in state["columns"] if column["uses"] or column["name"] in read]
    uses = {column["name"]: column["uses"] for column in used[:MAX_COLUMNS]}
    shown = [shown_row(row, uses) for row in rows]
    return Preview(list(uses), len(used) - len(uses), shown, sum(row.is_refused for row in shown))


def items_of(state: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects of all further targets."""
    return (item for items in state["targets"].values() for item in items if isinstance(item, dict))


def is_column(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("column"), str)


def shown_row(row: PreviewRow, uses: Mapping[str, list[dict[str, Any]]]) -> ShownRow:
    problems = {problem.column: problem for problem in row.problems}
    cells = []
    for name, becoming in uses.items():
        written = attribute_value(row.cells.get(name)) if row.cells.get(name) not in (None, "") else ""
        words = list(dict.fromkeys(word for use in becoming for word in becomes(row, use) if word))
        problem = problems.get(name)
        cells.append(
            Cell(
                written=written,
                becomes=" · ".join(word for word in words if word != written),
                problem=problem.message if problem else "",
                is_refusal=bool(problem and problem.is_refusal),
            )
        )
    elsewhere = [problem.message for column, problem in problems.items() if column not in uses]
    said = [row.event, *(word for words in row.others.values() for word in words)]
    return ShownRow(row.number, cells, " · ".join(filter(None, said)), " ".join(elsewhere), row.is_refused)


def becomes(row: PreviewRow, use: Mapping[str, Any]) -> Iterator[str]:
    """What one use makes of the row, in words."""
    key = use["key"]
    if use["as"] == "identifier":
        yield from (value for kind, value in row.identifiers if kind == key)
    elif use["as"] == "trait" and key in row.attributes:
        yield attribute_value(row.attributes[key])
    elif use["as"] == "property" and key in row.properties:
        yield attribute_value(row.properties[key])
    elif use["as"] == "value" and row.value is not None:
        yield attribute_value(row.value)
    elif use["as"] == "consent" and key in row.consents:
        yield str(Consent.State(row.consents[key]).label)
    elif use["as"] == "time" and row.occurred_at:
        moment = parse_datetime(row.occurred_at)
        if moment is not None:
            yield f"{on_clocks(moment):%Y-%m-%d %H:%M:%S}"
