"""Followers: how the facts of each model that points at Profile move when profiles merge.

Each app brings its own in `<app>/followers.py`, or in modules of a package of that name; a test fails for a model
without one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import Model
from psycopg import sql


class Merged(NamedTuple):
    """Profile ids of one absorption."""

    absorbed: int
    survivor: int


class Follower(ABC):
    """What happens to the rows of `model`. `writes_feed` ones run last, under the feed's lock."""

    model: type[Model]
    writes_feed: bool = False

    @abstractmethod
    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        """Move the rows of the absorbed to their survivors: one statement for all pairs, several per kind of row."""


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
