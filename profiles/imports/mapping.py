"""What a mapping that was checked (`check.py`) says: which column of a file fills what.

Its parts know how to read the cells of a row (`cells.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from profiles.imports.cells import TimeReader, ValueReader
from profiles.imports.targets import Checked

CREATE, KNOWN = "create", "known"


def kinds_of(said: Any) -> list[Any]:
    """The kinds of identifiers that the cells of a column may be: a mapping names one, or lists several."""
    return said if isinstance(said, list) else [said]


@dataclass(frozen=True)
class Column:
    """A column and what it fills: an attribute or property under `key`, or a consent on the channel `key`."""

    name: str
    key: str
    read: ValueReader


@dataclass(frozen=True)
class FileMapping:
    """A checked mapping. A column may stand several times among `identifiers`: its cells are of the first kind that
    they fit. `event_column` is empty where every row is the event `event`; both are empty for none.

    `time` is None where rows say no time. `people` is `create`, `known` or "": by what rows say.
    `targets` are, by key, what further targets made of their part.
    """

    identifiers: tuple[Column, ...]
    traits: tuple[Column, ...]
    constants: Mapping[str, Any]
    consents: tuple[Column, ...]
    properties: tuple[Column, ...]
    constant_properties: Mapping[str, Any]
    event: str
    event_column: str
    value: Column | None
    time: TimeReader | None
    message_id: tuple[str, ...]
    people: str
    targets: Mapping[str, Checked]

    @property
    def has_event(self) -> bool:
        return bool(self.event or self.event_column)

    @property
    def has_person(self) -> bool:
        """Whether rows say something of the person themself, as an identify message does."""
        return bool(self.traits or self.constants or self.consents)

    @property
    def creates_people(self) -> bool:
        """Whether a row may speak of somebody not known yet. A list of tags alone makes nobody, unless told to."""
        return self.people == CREATE or (self.people != KNOWN and (self.has_person or self.has_event))

    def columns(self) -> set[str]:
        """Every column that the file must have."""
        filled = (*self.identifiers, *self.traits, *self.consents, *self.properties)
        names = {column.name for column in filled} | {self.event_column, *self.message_id} - {""}
        names |= {self.value.name} if self.value else set()
        names |= {self.time.column} if self.time and self.time.column else set()
        return names.union(*(checked.columns() for checked in self.targets.values()))
