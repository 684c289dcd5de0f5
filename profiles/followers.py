"""Followers: how the facts of each model that points at Profile move when profiles merge.

Each app brings its own in `<app>/followers.py`; a test fails for a model without one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Model


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
