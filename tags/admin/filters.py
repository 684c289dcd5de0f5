"""Tags as a filter of the list of profiles."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from profiles.admin.filters import register_profile_filter
from profiles.admin.people import PeopleFilter
from profiles.models import Profile
from tags.models import Tag, TagAssignment

MAX_CHOICES = 500


@register_profile_filter
class TagFilter(PeopleFilter, DropdownFilter):  # type: ignore[misc]
    """Those who carry one tag now, with whatever value (`12`) or with one (`12:34`)."""

    title = _("tag")
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        tags = Tag.objects.current().order_by("name").prefetch_related("values")[:MAX_CHOICES]
        found = []
        for tag in tags:
            values = sorted(tag.values.all(), key=lambda value: value.position)
            found += [
                (str(tag.pk), tag.name),
                *((f"{tag.pk}:{value.pk}", f"{tag.name} · {value.name}") for value in values),
            ]
        return found

    def queryset(self, request: HttpRequest, queryset: QuerySet[Profile]) -> QuerySet[Profile]:
        tag, colon, value = (self.value() or "").partition(":")
        if not is_id(tag) or (colon and not is_id(value)):
            return queryset
        live = TagAssignment.objects.live(timezone.now()).filter(tag=int(tag), profile=OuterRef("pk"))
        return queryset.filter(Exists(live.filter(value=int(value)) if colon else live))

    def as_rule(self) -> Any:
        tag_id, _colon, value_id = self.value().partition(":")
        tag = Tag.objects.filter(pk=tag_id).first() if is_id(tag_id) else None
        if tag is None or not value_id:
            return {"op": "tag", "key": tag.key} if tag else None
        value = tag.values.filter(pk=value_id).first() if is_id(value_id) else None
        return {"op": "tag", "key": tag.key, "value": [value.key]} if value else None


def is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19
