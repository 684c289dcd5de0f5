"""Whatever is filled by rules: tags, segments, tier schemes. The refresh engine reads this and knows no app.

A holder gives each profile at most one *outcome*, a number of its own: the first of `outcomes()` whose rule holds.
For a segment there is one; for a tag each value is one; for a tier scheme each tier is one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import QuerySet

from cdp.rules.causes import Cause


class Outcome(NamedTuple):
    """`rule` is rule JSON; None is a rule that everybody meets."""

    id: int
    rule: Any


class Move(NamedTuple):
    """A profile whose outcome is not what it was; None is no outcome.

    `since` is when it came to its new one, where a merge or a split only interrupted that; None is now.
    """

    profile_id: int
    before: int | None
    after: int | None
    since: datetime | None = None


@dataclass(frozen=True)
class Holder(ABC):
    """One filled thing. `key` names it everywhere (`segment:loyal`) and is also the topic that it puts out."""

    key: str
    label: str
    pk: int

    @abstractmethod
    def outcomes(self) -> Sequence[Outcome]:
        """In order of preference."""

    @abstractmethod
    def current(self) -> QuerySet[Any, Any]:
        """What is written now, as `values_list("profile_id", outcome)`."""

    @abstractmethod
    def apply(self, moves: Sequence[Move], *, cause: Cause, now: datetime) -> None:
        """Write the moves into the holder's own table, set-based."""

    @abstractmethod
    def record(self, moves: Sequence[Move], *, cause: Cause, now: datetime) -> None:
        """Append one change row a move. The engine calls this last in the transaction, under the feed's lock."""

    @classmethod
    def record_together(cls, records: Sequence[Record], *, now: datetime) -> None:
        """The same for several of these holders, in order; in fewer statements where that can be."""
        for holder, moves, cause in records:
            holder.record(moves, cause=cause, now=now)

    @abstractmethod
    def finished(self, *, now: datetime, error: str = "") -> None:
        """Note on the thing itself that a full refresh ended, with its error or none."""


class Record(NamedTuple):
    """Moves of one holder, of one cause, to be told of."""

    holder: Holder
    moves: Sequence[Move]
    cause: Cause


_families: dict[str, Callable[[], Iterable[Holder]]] = {}


def holder_family(prefix: str) -> Callable[[Callable[[], Iterable[Holder]]], Callable[[], Iterable[Holder]]]:
    """Register a loader of all holders whose key starts with `<prefix>:`; used as a decorator in `<app>/holders.py`."""

    def register(load: Callable[[], Iterable[Holder]]) -> Callable[[], Iterable[Holder]]:
        _families[prefix] = load
        return load

    return register


def all_holders() -> list[Holder]:
    """Every holder of every app; one or two queries a family."""
    return [holder for load in _families.values() for holder in load()]


def holder_of(key: str) -> Holder:
    """The holder named `key`, such as `segment:loyal`. Raises KeyError where there is none."""
    load = _families[key.split(":", 1)[0]]
    for holder in load():
        if holder.key == key:
            return holder
    raise KeyError(key)
