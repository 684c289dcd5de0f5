"""What the admin pages of all apps share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.db import models
from django.http import HttpRequest
from django.utils.functional import Promise
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display as unfold_display

from cdp.paginator import BoundedPaginator

Method = TypeVar("Method", bound=Callable[..., Any])


def display(
    *,
    description: str | Promise,
    ordering: Any = None,
    boolean: bool | None = None,
    label: bool | Mapping[str, str] | None = None,
) -> Callable[[Method], Method]:
    """Unfold's decorator for a column, typed: `label` shows a badge, coloured by value where it is a mapping."""
    decorate: Callable[[Method], Method] = unfold_display(
        description=description, ordering=ordering, boolean=boolean, label=label
    )
    return decorate


class StrataAdmin(ModelAdmin):  # type: ignore[misc]
    """A list that stays fast on a million rows. Deleting many at once is off: it would pass the services by."""

    paginator: Any = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    list_filter_submit = True
    list_fullwidth = True
    actions: Any = None
    show_facets: Any = None


class StrataInline(TabularInline):  # type: ignore[misc]
    """Rows of a form beneath another."""

    extra = 0


class ReadOnlyAdmin(StrataAdmin):
    """Pages that show and change nothing."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


def has_perm(request: HttpRequest, permission: str) -> bool:
    """Whether the signed-in person holds `app.codename`."""
    user: Any = request.user
    return bool(user.has_perm(permission))
