"""Filters of the list of imports, and that of profiles by import."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter, RadioFilter

from cdp.models import User
from profiles.admin.filters import register_profile_filter
from profiles.admin.imports.words import file_name
from profiles.models import Event, Identifier, Import, ImportMapping, Profile

MAX_CHOICES = 500
N_IMPORTS = 50


class StateFilter(RadioFilter):  # type: ignore[misc]
    """How an import stands."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(Import.State.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(state=self.value()) if self.value() else queryset


class RelatedFilter(DropdownFilter):  # type: ignore[misc]
    """By the id of another row, which `column` leads to."""

    column: str

    def queryset(self, request: HttpRequest, queryset: QuerySet[Import]) -> QuerySet[Import]:
        value = self.value()
        return queryset.filter(**{self.column: value}) if value and value.isdecimal() else queryset


class UserFilter(RelatedFilter):
    """Who started an import; those who did."""

    title = _("started by")
    parameter_name = column = "user"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        importing = User.objects.filter(pk__in=Import.objects.values("user")).order_by("username")
        return [(str(user.pk), user.username) for user in importing[:MAX_CHOICES]]


class MappingFilter(RelatedFilter):
    """By which saved mapping a file was understood."""

    title = _("saved mapping")
    parameter_name = "mapping"
    column = "saved_mapping"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(saved.pk), saved.name) for saved in ImportMapping.objects.order_by("name")[:MAX_CHOICES]]


class WhenFilter(RadioFilter):  # type: ignore[misc]
    """When an import was made."""

    title = _("when")
    parameter_name = "when"
    days = {"1": 1, "7": 7, "30": 30}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("1", _("In the last 24 hours")),
            ("7", _("In the last 7 days")),
            ("30", _("In the last 30 days")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Import]) -> QuerySet[Import]:
        days = self.days.get(self.value() or "")
        return queryset.filter(created_at__gt=timezone.now() - timedelta(days=days)) if days else queryset


@register_profile_filter
class ImportFilter(DropdownFilter):  # type: ignore[misc]
    """People of whom one import said something, or whom it made; of an older one by the link on its page."""

    title = _("import")
    parameter_name = "import"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        started = Import.objects.filter(n_done__gt=0).order_by("-pk")
        chosen = request.GET.get(self.parameter_name, "")
        found = list(started[:N_IMPORTS])
        if chosen.isdecimal() and not any(str(each.pk) == chosen for each in found):
            found += started.filter(pk=chosen)
        return [(str(each.pk), f"{file_name(each, request.user)} · {each.created_at:%Y-%m-%d}") for each in found]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Profile]) -> QuerySet[Profile]:
        value = self.value()
        if not value or not value.isdecimal():
            return queryset
        said = Event.objects.filter(import_id=value).values("profile")
        made = Identifier.objects.filter(import_id=value).values("profile")
        return queryset.filter(pk__in=said.union(made))
