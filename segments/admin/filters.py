"""Segments and tiers as filters of the list of profiles."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from cdp.admin.searched import SearchedFilterForm
from cdp.ids import is_id
from profiles.admin.filters import register_profile_filter
from profiles.admin.people import PeopleFilter, joined
from profiles.models import Profile
from segments.admin.options import BY_ID, options_url
from segments.models import Membership, MembershipChange, Segment, Tier, TierStanding
from segments.services.as_of import people_as_of, people_who_moved

MAX_CHOICES = 500
MAX_AT_ONCE = 10


class SegmentFilterForm(SearchedFilterForm):
    @property
    def url(self) -> str:
        return options_url(BY_ID)


@register_profile_filter
class SegmentFilter(PeopleFilter, DropdownFilter):  # type: ignore[misc]
    """Members of one segment; links name several by comma: in all of them, and not in those after a minus."""

    title = _("segment")
    parameter_name = "segment"
    form_class = SegmentFilterForm

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """What is asked for; the rest is searched."""
        given = request.GET.get(self.parameter_name)
        if not given:
            return []
        only = Segment.objects.filter(pk=given).first() if is_id(given) else None
        return [(given, only.name if only else segments_in_words(given) or gettext("Cannot be read"))]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Profile]) -> QuerySet[Profile]:
        if self.value() and not self.named():
            return queryset.none()  # everybody would be listed, to be tagged or exported
        for pk, is_in in self.named():
            inside = Exists(Membership.objects.filter(segment=pk, profile=OuterRef("pk")))
            queryset = queryset.filter(inside if is_in else ~inside)
        return queryset

    def named(self) -> list[tuple[int, bool]]:
        return named_segments(self.value() or "")

    def in_words(self) -> str:
        return segments_in_words(self.value())

    def as_rule(self) -> Any:
        keys = dict(Segment.objects.current().values_list("pk", "key").filter(pk__in=[pk for pk, _ in self.named()]))
        told = [
            ({"op": "segment", "key": keys[pk]} if is_in else {"not": {"op": "segment", "key": keys[pk]}})
            for pk, is_in in self.named()
            if pk in keys
        ]
        return joined(told) if told and len(told) == len(self.named()) else None


def named_segments(text: str) -> list[tuple[int, bool]]:
    """Ids of segments, and whether the people are in it rather than not; none where a part cannot be read."""
    parts = text.split(",")
    ids = [(part.removeprefix("-"), not part.startswith("-")) for part in parts]
    is_readable = len(parts) <= MAX_AT_ONCE and all(is_id(pk) for pk, _is_in in ids)
    return [(int(pk), is_in) for pk, is_in in ids] if is_readable else []


def segments_in_words(text: str) -> str:
    named = named_segments(text)
    known = Segment.objects.in_bulk([pk for pk, _is_in in named])
    words = [
        (gettext("in “%(segment)s”") if is_in else gettext("not in “%(segment)s”")) % {"segment": known[pk].name}
        for pk, is_in in named
        if pk in known
    ]
    return pgettext("between values", ", ").join(words)


@register_profile_filter
class WasInFilter(PeopleFilter, DropdownFilter):  # type: ignore[misc]
    """Those who were in a segment at a moment, `12@2026-06-01T10:00` in the business zone; shown while it is asked."""

    title = _("was in segment")
    parameter_name = "was_in"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        given = request.GET.get(self.parameter_name)
        if not given:
            return []
        asked = segment_and_moment(given)
        segment = Segment.objects.filter(pk=asked[0]).first() if asked else None
        if segment is None:
            return [(given, gettext("Cannot be read"))]
        time = given.partition("@")[2][:16].replace("T", " ")
        return [(given, gettext("“%(segment)s” at %(time)s") % {"segment": segment.name, "time": time})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Profile]) -> QuerySet[Profile]:
        if not self.value():
            return queryset
        if (asked := segment_and_moment(self.value())) is None:
            return queryset.none()
        return queryset.filter(pk__in=people_as_of(*asked))


@register_profile_filter
class MovedFilter(PeopleFilter, DropdownFilter):  # type: ignore[misc]
    """Those who entered or left a segment on a business day, `12:entered@2026-06-01`; shown while it is asked."""

    title = _("entered or left")
    parameter_name = "moved"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        given = request.GET.get(self.parameter_name)
        if not given:
            return []
        asked = segment_and_move(given)
        segment = Segment.objects.filter(pk=asked[0]).first() if asked else None
        if asked is None or segment is None:
            return [(given, gettext("Cannot be read"))]
        entered = asked[1] == MembershipChange.Change.ENTERED
        words = gettext("entered “%(segment)s” on %(day)s") if entered else gettext("left “%(segment)s” on %(day)s")
        return [(given, words % {"segment": segment.name, "day": asked[2].isoformat()})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Profile]) -> QuerySet[Profile]:
        if not self.value():
            return queryset
        if (asked := segment_and_move(self.value())) is None:
            return queryset.none()
        return queryset.filter(pk__in=people_who_moved(*asked))


def segment_and_move(text: str) -> tuple[int, str, date] | None:
    """A segment's id, whether they entered or left, and the day."""
    pk, _colon, rest = text.partition(":")
    change, _at, day = rest.partition("@")
    try:
        on = date.fromisoformat(day)
    except ValueError:
        return None
    is_known = is_id(pk) and change in MembershipChange.Change.values and date.min < on < date.max
    return (int(pk), change, on) if is_known else None


def segment_and_moment(text: str) -> tuple[int, datetime] | None:
    """A segment's id, and a time of the business zone as the field of a form writes it."""
    pk, _at, time = text.partition("@")
    try:
        moment = timezone.make_aware(datetime.fromisoformat(time).replace(tzinfo=None))
    except (ValueError, OverflowError):
        return None
    return (int(pk), moment) if is_id(pk) else None


@register_profile_filter
class TierFilter(PeopleFilter, DropdownFilter):  # type: ignore[misc]
    """Those who stand in one tier."""

    title = _("tier")
    parameter_name = "tier"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        tiers = Tier.objects.select_related("scheme").order_by("scheme__name", "position")[:MAX_CHOICES]
        found = {str(tier.pk): f"{tier.scheme.name} · {tier.name}" for tier in tiers}
        given = request.GET.get(self.parameter_name)
        if given:
            found.setdefault(given, gettext("Cannot be read"))
        return list(found.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Profile]) -> QuerySet[Profile]:
        value = self.value()
        if not value:
            return queryset
        if not is_id(value):
            return queryset.none()
        return queryset.filter(Exists(TierStanding.objects.filter(tier=value, profile=OuterRef("pk"))))

    def as_rule(self) -> Any:
        if not is_id(self.value()):
            return None
        tier = Tier.objects.filter(pk=self.value()).select_related("scheme").first()
        return {"op": "tier", "scheme": tier.scheme.key, "in": [tier.key]} if tier else None
