"""Who carried a tag at any moment, and who got or lost it on a day, computed from the feed of changes."""

from __future__ import annotations

from datetime import date, datetime

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from cdp.rules.days import DAY, start_of
from tags.feeds import Turn
from tags.models import TagChange

TURNS = {Turn.ASSIGNED: Q(before__isnull=True), Turn.REMOVED: Q(after__isnull=True)}


def carriers_as_of(tag_id: int, at: datetime, *, value: str | None = None) -> QuerySet[TagChange, int]:
    """Ids of those who carried a tag before a moment, or one of its values by key, as who they are now: who was merged
    since is their survivor.
    """
    until = TagChange.objects.filter(tag=tag_id, at__lt=at)
    later = until.filter(profile=OuterRef("profile"), id__gt=OuterRef("id"))
    carrying = Q(after__isnull=False) if value is None else Q(after=value)
    return as_they_are_now(until.filter(~Exists(later)).filter(carrying))


def people_who_turned(tag_id: int, turn: Turn, day: date) -> QuerySet[TagChange, int]:
    """Ids of those who got or lost a tag on a business day, as who they are now. `turn` is one of TURNS."""
    of_day = TagChange.objects.filter(tag=tag_id, at__gte=start_of(day), at__lt=start_of(day + DAY))
    return as_they_are_now(of_day.filter(TURNS[turn]))


def as_they_are_now(changes: QuerySet[TagChange]) -> QuerySet[TagChange, int]:
    now_are = changes.order_by().annotate(now_is=Coalesce("profile__merged_into", "profile"))
    return now_are.values_list("now_is", flat=True)
