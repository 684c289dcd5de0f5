"""Tallies: how many events of one person, from when to when, and what was measured of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Count, Max, Min, QuerySet, Value

from cdp.rules.sql import AsNumber
from profiles.models import Event

MOST = 200  # in one statement


class Asked(NamedTuple):
    """Events to count, and an aggregate of them."""

    events: QuerySet[Event]
    measure: Any = Count("*")


class Tally(NamedTuple):
    """Times of none are None, and so is a measure that is missing."""

    n: int = 0
    first: datetime | None = None
    last: datetime | None = None
    measured: Decimal | None = None


def tallies(asked: Sequence[Asked], profile_id: int) -> list[Tally]:
    """The events of one person, counted as each asks; one query for `MOST` of them."""
    if len(asked) > MOST:
        return [*tallies(asked[:MOST], profile_id), *tallies(asked[MOST:], profile_id)]
    found = [Tally()] * len(asked)
    counts = [_count(each, place, profile_id) for place, each in enumerate(asked)]
    for place, *tally in counts[0].union(*counts[1:], all=True) if counts else ():
        found[place] = Tally(*tally)
    return found


def _count(asked: Asked, place: int, profile_id: int) -> QuerySet[Any, Any]:
    """A row with its place, or none where there are no events."""
    groups = asked.events.filter(profile_id=profile_id).order_by().values("profile_id")
    counted = groups.annotate(
        n=Count("*"), first=Min("occurred_at"), last=Max("occurred_at"), measured=AsNumber(asked.measure)
    )
    rows: QuerySet[Any, Any] = counted.values_list(Value(place), "n", "first", "last", "measured")
    return rows
