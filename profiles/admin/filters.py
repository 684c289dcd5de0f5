"""Filters of the list of profiles. The apps above bring their own: `register_profile_filter` in their admin."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter, RadioFilter

from profiles.admin.by_rule import RuleFilter
from profiles.admin.people import PeopleFilter
from profiles.models import Identifier, IdentifierKind, Profile

_brought: list[type[DropdownFilter]] = []


def register_profile_filter(filter_class: type[DropdownFilter]) -> type[DropdownFilter]:
    """Class decorator."""
    _brought.append(filter_class)
    return filter_class


def profile_filters() -> list[Any]:
    """The filters that the apps brought, then our own."""
    return [RuleFilter, *_brought, KindFilter, LastSeenFilter]


class KindFilter(PeopleFilter, DropdownFilter):  # type: ignore[misc]
    """With an identifier of a kind."""

    title = _("identifier kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(kind.key, gettext(kind.label)) for kind in IdentifierKind.objects.order_by("priority")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Profile]) -> QuerySet[Profile]:
        if not self.value():
            return queryset
        return queryset.filter(Exists(Identifier.objects.filter(profile=OuterRef("pk"), kind__key=self.value())))

    def as_rule(self) -> Any:
        return {"op": "identifier", "kind": self.value()}


class LastSeenFilter(PeopleFilter, RadioFilter):  # type: ignore[misc]
    """Seen in the last days, or not for long; by the index of last sights."""

    title = _("last seen")
    parameter_name = "seen"
    within_days = {"1": 1, "7": 7, "30": 30, "90": 90}
    before_days = {"over90": 90, "over365": 365}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("1", _("In the last 24 hours")),
            ("7", _("In the last 7 days")),
            ("30", _("In the last 30 days")),
            ("90", _("In the last 90 days")),
            ("over90", _("Over 90 days ago")),
            ("over365", _("Over a year ago")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Profile]) -> QuerySet[Profile]:
        value, now = self.value(), timezone.now()
        if value in self.within_days:
            return queryset.filter(last_sight__at__gt=now - timedelta(days=self.within_days[value]))
        if value in self.before_days:
            return queryset.filter(last_sight__at__lte=now - timedelta(days=self.before_days[value]))
        return queryset

    def as_rule(self) -> Any:
        value = self.value()
        if (days := self.within_days.get(value) or self.before_days.get(value)) is None:
            return None
        comparison = "in_last" if value in self.within_days else "not_in_last"
        return {"op": "attribute", "key": "last_seen_at", "is": comparison, "value": {"days": days}}
