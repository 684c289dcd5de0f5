"""Rows of a file as they would be understood, for somebody who looks before the import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CellProblem:
    """What is wrong with a cell, or with the row as a whole where `column` is "".

    `is_refusal`: the row is refused for it; else it is only told, such as an identifier that can name nobody.
    """

    column: str
    message: str
    is_refusal: bool = True

    def __str__(self) -> str:
        return f"{self.column}: {self.message}" if self.column else self.message


@dataclass(frozen=True)
class PreviewRow:
    """One row: `cells` as they stand in the file, the rest as understood, empty where the row says nothing of it.

    `number` counts the rows of the file from 1, the header left out; `line` is where the row starts in the file (0 in
    Parquet). `identifiers` are (kind key, normalised value), `occurred_at` the ISO 8601 time in UTC, "" without a time
    column; `value` is what the column of the event's value becomes. `others` are the words of the further targets, by
    target: `{"tags": ["vip: gold"], "segments": ["loyal"]}`.
    """

    number: int
    line: int
    cells: dict[str, Any]
    identifiers: tuple[tuple[str, str], ...]
    attributes: dict[str, Any]
    consents: dict[str, str]
    event: str
    properties: dict[str, Any]
    value: Any
    occurred_at: str
    others: dict[str, list[str]]
    problems: tuple[CellProblem, ...]

    @property
    def is_refused(self) -> bool:
        return any(problem.is_refusal for problem in self.problems)
