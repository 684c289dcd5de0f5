"""How things grow by business day: entries and exits, counted once from a feed of changes, and added up.

An app keeps the days in a table of its own, made of `Day`, and how far it has counted in one made of `Counted`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, NamedTuple, TypeVar

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import F, OuterRef, QuerySet, Subquery, Sum
from django.utils.translation import gettext_lazy as _

CHUNK = 200_000  # changes a transaction

GROWTH = Sum(F("n_entered") - F("n_left"))


class Day(models.Model):
    """Entries and exits on one business day; days without any have no row. Added up, they are the size."""

    day = models.DateField(_("day"))
    n_entered = models.IntegerField(_("entered"), default=0)
    n_left = models.IntegerField(_("left"), default=0)

    class Meta:
        abstract = True


class Counted(models.Model):
    """How far a feed was counted into days: one row, with the id of the last change."""

    last_change = models.BigIntegerField(default=0)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return str(self.last_change)


class DaySize(NamedTuple):
    """The size at the end of a business day, and who came and went on it."""

    day: date
    n_members: int
    n_entered: int
    n_left: int


AnyDay = TypeVar("AnyDay", bound=Day)


def count_feed(counted: type[Counted], changes: type[models.Model], statement: str) -> int:
    """Count the changes that came since the last time into their days; returns how many. Each is counted once,
    however often this is cut off.

    `statement` upserts the days of the changes with `%(after)s < id <= %(until)s` in the business zone `%(zone)s`, and
    selects a number of theirs.
    """
    n_counted = 0
    while n := _count_chunk(counted, changes, statement):
        n_counted += n
    return n_counted


@transaction.atomic
def _count_chunk(counted: type[Counted], changes: type[models.Model], statement: str) -> int:
    positions = counted._default_manager
    positions.get_or_create(pk=1)
    after = positions.select_for_update().get(pk=1).last_change
    ahead = changes._default_manager.filter(pk__gt=after).order_by("pk")
    ids = ahead.values_list("pk", flat=True)
    until = ids[CHUNK - 1 : CHUNK].first() or ahead.reverse().values_list("pk", flat=True).first()
    if until is None:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(statement, {"zone": settings.TIME_ZONE, "after": after, "until": until})
        (n_counted,) = cursor.fetchone()
    positions.filter(pk=1).update(last_change=until)
    return int(n_counted)


def with_sizes(days: QuerySet[AnyDay], *of: str) -> QuerySet[AnyDay]:
    """Days of one thing, the latest first, each with `n_members` at its end; `of` are the columns that name it."""
    until = days.model._default_manager.filter(day__lte=OuterRef("day"), **{name: OuterRef(name) for name in of})
    size = until.order_by().values(*of).annotate(n=GROWTH).values("n")
    annotated: QuerySet[Any] = days.annotate(n_members=Subquery(size))
    return annotated.order_by("-day")


def sizes_by_day(rows: QuerySet[AnyDay], *, until: date, n_days: int) -> list[DaySize]:
    """The last `n_days` days of one thing, the earliest first, those without a change too; from the first on that
    there was one.
    """
    first = until - timedelta(days=n_days - 1)
    size = rows.filter(day__lt=first).aggregate(n=GROWTH)["n"]
    return fill_days(rows.filter(day__gte=first, day__lte=until), size, first=first, until=until)


def fill_days(rows: Iterable[Day], size: int | None, *, first: date, until: date) -> list[DaySize]:
    """Every day from `first` to `until`; `size` is that before them, None where it was not filled yet."""
    by_day = {row.day: row for row in rows}
    found = []
    for day in (first + timedelta(days=n) for n in range((until - first).days + 1)):
        row = by_day.get(day)
        if row is None and size is None:
            continue  # it was not filled yet
        entered, left = (row.n_entered, row.n_left) if row else (0, 0)
        size = (size or 0) + entered - left
        found.append(DaySize(day, size, entered, left))
    return found
