"""What rows can fill beside people and events: tags, members, suppressions. Each app brings its own.

An app registers them in `<app>/import_targets.py`; a mapping names each by its key.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, NamedTuple, Protocol

from django.db.models import QuerySet
from django.utils.functional import Promise

from cdp.models import User


class Reporter(Protocol):
    """Takes what is wrong with the target's part of a mapping."""

    def problem(self, path: str, message: str) -> None:
        """`path` is below the target's own part, such as `[0].tag`."""


class Conditional(Protocol):
    """A part that is meant only where the column `when` says yes, "" for everywhere."""

    @property
    def when(self) -> str: ...


class Checked(Protocol):
    """A target's part of a mapping, understood."""

    @property
    def parts(self) -> Sequence[Conditional]: ...

    def columns(self) -> set[str]:
        """The columns that it reads."""

    def read(self, cells: Mapping[str, Any]) -> Sequence[Any]:
        """What a row says, in values of the target's own; nothing where that is empty. Raises CellError."""

    def describe(self, said: Sequence[Any]) -> list[str]:
        """The same for people to read."""


class TargetRow(NamedTuple):
    """What one row says: of `profile_id` (None where nobody is known, in a dry run below zero for whom the import would
    make), under these `identifiers` (kind key, value).
    """

    profile_id: int | None
    identifiers: Sequence[tuple[str, str]]
    said: Sequence[Any]


class Writing(NamedTuple):
    """On whose behalf something is written; `twins` are earlier imports of the same file by the same mapping."""

    import_id: int
    source_id: int
    user: User | None
    now: datetime
    twins: Sequence[int] = ()

    @property
    def own(self) -> list[int]:
        """The imports that are this one, or the same again: what they wrote stays theirs to take back."""
        return [self.import_id, *self.twins]


# What is to be, by what it is about: a person and a tag, an address.
Planned = Mapping[tuple[Any, ...], Any]


class Target(ABC):
    """`needs_person`: rows of nobody known are refused, unless the mapping makes people."""

    key: str
    label: str | Promise
    needs_person: bool = True

    @abstractmethod
    def check(self, given: Any, reporter: Reporter, *, zone: tzinfo) -> Checked | None:
        """Understand the part of a mapping, or report what is wrong with it; names are looked up once."""

    def guess(self, cells: Mapping[str, Sequence[str]]) -> tuple[list[dict[str, Any]], set[str]]:
        """The part of a mapping that some columns probably are, and those columns; `cells` are the filled ones of the
        columns of which nothing else is known.
        """
        return [], set()

    @abstractmethod
    def write(self, rows: Sequence[TargetRow], writing: Writing) -> Counter[str]:
        """Write what rows say, in a transaction that holds the locks of their profiles; the later row wins.

        Returns counts by name, such as `tags` and `tags_unchanged`: what is another now, and what was so already.
        """

    @abstractmethod
    def plan(self, rows: Sequence[TargetRow], *, now: datetime) -> Planned:
        """What `write` would write at `now`."""

    @abstractmethod
    def n_changed(self, planned: Planned) -> int:
        """How many of these are another than what is stored."""

    def rows_about_people(self, import_id: int) -> Sequence[QuerySet[Any]]:
        """What the import wrote about people (`profile`), and nobody has changed since; of each model."""
        return ()

    @abstractmethod
    def count(self, import_id: int, *, most: int | None = None) -> Counter[str]:
        """What a taking back would remove: what the import wrote, and nobody has changed since; up to `most` rows of
        each table.
        """

    @abstractmethod
    def take_back(self, import_id: int, *, now: datetime, limit: int) -> int:
        """Remove up to `limit` of them in one transaction of its own; returns how many, 0 when none is left."""


_targets: dict[str, Target] = {}


def register_target(target_class: type[Target]) -> type[Target]:
    """Class decorator."""
    _targets[target_class.key] = target_class()
    return target_class


def all_targets() -> dict[str, Target]:
    """By key, in its order."""
    return dict(sorted(_targets.items()))
