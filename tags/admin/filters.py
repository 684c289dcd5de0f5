"""Tags as a filter of the list of profiles."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from profiles.admin.filters import register_profile_filter
from profiles.models import Profile
from tags.models import Tag, TagAssignment

MAX_CHOICES = 500


@register_profile_filter
class TagFilter(DropdownFilter):  # type: ignore[misc]
    """Those who carry one tag now."""

    title = _("tag")
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(tag.pk), tag.name) for tag in Tag.objects.order_by("name")[:MAX_CHOICES]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Profile]) -> QuerySet[Profile]:
        value = self.value()
        if not value or not value.isdecimal():
            return queryset
        live = TagAssignment.objects.live(timezone.now()).filter(tag=value, profile=OuterRef("pk"))
        return queryset.filter(Exists(live))
