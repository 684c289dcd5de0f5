"""Followers: how the facts of each model that points at Profile move when profiles merge, return at a split, and go
when one is erased.

Each app brings its own in `<app>/followers.py`, or in modules of a package of that name; a test fails for a model
without one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Self

from django.db import connection
from django.db.models import Model, Q, QuerySet
from psycopg import sql

from cdp.ids import is_id


class Merged(NamedTuple):
    """Profile ids of one absorption."""

    absorbed: int
    survivor: int


class Rehung(NamedTuple):
    """A merge whose absorbed hangs below `parent_id` as a split took them from one another. `nodes` are the profiles
    that hang together with it, itself among them, and `person_id` stands for whose part they are now.
    """

    merge_id: int
    parent_id: int
    person_id: int
    nodes: Collection[int]


@dataclass(frozen=True)
class Parted:
    """What leaves one profile for another, which is new, or lives again as its merge is undone.

    `identifiers` are the ids of those that go. `origins` are the profiles that go as wholes, with what was written on
    them by hand; the one that lives again is among them. `undone` are the ids of merges that no longer hold.
    `rehung` are the merges whose absorbed hang below another from now on. `chosen` are the `ref`s of rows by hand that
    somebody wants to go too.
    """

    from_id: int
    to_id: int
    identifiers: Sequence[int]
    origins: Sequence[int]
    undone: Sequence[int] = ()
    rehung: Sequence[Rehung] = ()
    chosen: frozenset[str] = frozenset()

    def chosen_of(self, model: type[Model]) -> list[int]:
        """The ids of the chosen rows of this model; what is no id chooses nothing."""
        prefix = f"{model._meta.label_lower}:"
        ids = [ref.removeprefix(prefix) for ref in self.chosen if ref.startswith(prefix)]
        return [int(pk) for pk in ids if is_id(pk)]

    def takes_by_hand(self, model: type[Model]) -> Q:
        """The rows by hand that go with the profile that they were written on (`origin`), and the chosen."""
        return Q(origin__in=list(self.origins)) | Q(pk__in=self.chosen_of(model), origin__isnull=False)


class HandMade(NamedTuple):
    """A row that somebody wrote by hand: what it says, when, and whether it goes unless somebody chooses otherwise."""

    ref: str
    label: str
    written_at: datetime
    goes: bool

    @classmethod
    def of(cls, row: Model, *, label: str, written_at: datetime, goes: bool) -> Self:
        return cls(f"{row._meta.label_lower}:{row.pk}", label, written_at, goes)


class Follower(ABC):
    """What happens to the rows of `model`. `writes_feed` ones run last, under the feed's lock."""

    model: type[Model]
    writes_feed: bool = False

    @abstractmethod
    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        """Move the rows of the absorbed to their survivors: one statement for all pairs, several per kind of row."""

    @abstractmethod
    def split(self, parted: Parted, *, now: datetime) -> None:
        """Move the rows that leave, and bring back what a merge put aside."""

    def erase(self, profile_ids: Sequence[int], *, now: datetime) -> None:  # noqa: B027 - most have nothing to do
        """Remove the rows of people of whom nothing is to be left. Stays as it is: history, and what hangs on their
        identifiers, which are gone before.
        """

    def by_hand(self) -> QuerySet[Any] | None:
        """The rows that a hand wrote about somebody (`profile`), None where hands write none: who has one stays when an
        import is taken back that alone has named them.
        """
        return None

    def beside(self, import_id: int) -> QuerySet[Any] | None:
        """The same, and what files have written but for this import: who has one is not forsaken without it."""
        return self.by_hand()

    def hand_made(self, parted: Parted) -> Sequence[HandMade]:
        """The rows by hand on `parted.from_id`, for somebody who is about to take it apart."""
        return ()


_followers: dict[type[Model], Follower] = {}


def register_follower(follower_class: type[Follower]) -> type[Follower]:
    """Class decorator."""
    _followers[follower_class.model] = follower_class()
    return follower_class


def all_followers() -> list[Follower]:
    """In the order to run them: those that write a feed come last."""
    return sorted(_followers.values(), key=lambda follower: (follower.writes_feed, follower.model._meta.label))


def move_rows(model: type[Model], merged: Sequence[Merged], *, column: str = "profile_id") -> None:
    """Point the rows of the absorbed at their survivors, all pairs in one statement."""
    statement = sql.SQL(
        "UPDATE {table} SET {column} = merged.survivor "
        "FROM unnest(%s::bigint[], %s::bigint[]) AS merged(absorbed, survivor) "
        "WHERE {table}.{column} = merged.absorbed"
    ).format(table=sql.Identifier(model._meta.db_table), column=sql.Identifier(column))
    with connection.cursor() as cursor:
        cursor.execute(statement, [[pair.absorbed for pair in merged], [pair.survivor for pair in merged]])


def erase_rows(model: type[Model], profile_ids: Sequence[int]) -> None:
    """Delete the rows of these profiles, in one statement."""
    statement = sql.SQL("DELETE FROM {table} WHERE profile_id = ANY(%s)").format(
        table=sql.Identifier(model._meta.db_table)
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(profile_ids)])
