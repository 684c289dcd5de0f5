"""Members as of any moment, computed from the feed of changes."""

from __future__ import annotations

from datetime import date, datetime

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Coalesce

from cdp.rules.days import DAY, start_of
from segments.models import MembershipChange


def members_as_of(segment_id: int, at: datetime) -> QuerySet[MembershipChange]:
    """The entries by which people were in a segment at a moment, by profile; `at` of each is since when.

    Profiles are those of that time: one that was merged away since is named as it was. Who came in by a merge was in
    since the merge. Nobody was in before the segment was made. A page costs by the index of (segment, profile).
    """
    until = MembershipChange.objects.filter(segment=segment_id, at__lte=at)
    later = until.filter(profile=OuterRef("profile"), id__gt=OuterRef("id"))
    entries = until.filter(~Exists(later), change=MembershipChange.Change.ENTERED)
    return entries.order_by("profile_id")


def people_as_of(segment_id: int, at: datetime) -> QuerySet[MembershipChange, int]:
    """Ids of those who were in a segment at a moment, as who they are now: who was merged since is their survivor."""
    now_are = members_as_of(segment_id, at).order_by().annotate(now_is=Coalesce("profile__merged_into", "profile"))
    return now_are.values_list("now_is", flat=True)


def people_who_moved(segment_id: int, change: str, day: date) -> QuerySet[MembershipChange, int]:
    """Ids of those who entered or left a segment on a business day, as who they are now."""
    moved = MembershipChange.objects.filter(segment=segment_id, change=change)
    of_day = moved.filter(at__gte=start_of(day), at__lt=start_of(day + DAY))
    return of_day.annotate(now_is=Coalesce("profile__merged_into", "profile")).values_list("now_is", flat=True)
