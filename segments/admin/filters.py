"""Segments and tiers as filters of the list of profiles."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from profiles.admin.filters import register_profile_filter
from profiles.models import Profile
from segments.models import Membership, Segment, Tier, TierStanding

MAX_CHOICES = 500
MAX_AT_ONCE = 10


@register_profile_filter
class SegmentFilter(DropdownFilter):  # type: ignore[misc]
    """Members of one segment; links name several by comma: in all of them, and not in those after a minus."""

    title = _("segment")
    parameter_name = "segment"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(segment.pk), segment.name) for segment in Segment.objects.current().order_by("name")[:MAX_CHOICES]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Profile]) -> QuerySet[Profile]:
        value = self.value()
        for part in (value or "").split(",")[:MAX_AT_ONCE]:
            pk = part.removeprefix("-")
            if pk.isdecimal() and len(pk) < 19:
                inside = Exists(Membership.objects.filter(segment=int(pk), profile=OuterRef("pk")))
                queryset = queryset.filter(~inside if part.startswith("-") else inside)
        return queryset


@register_profile_filter
class TierFilter(DropdownFilter):  # type: ignore[misc]
    """Those who stand in one tier."""

    title = _("tier")
    parameter_name = "tier"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        tiers = Tier.objects.select_related("scheme").order_by("scheme__name", "position")[:MAX_CHOICES]
        return [(str(tier.pk), f"{tier.scheme.name} · {tier.name}") for tier in tiers]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Profile]) -> QuerySet[Profile]:
        value = self.value()
        if not value or not value.isdecimal():
            return queryset
        return queryset.filter(Exists(TierStanding.objects.filter(tier=value, profile=OuterRef("pk"))))
