"""Tags, and tags with their values, to choose from while one types."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext

from cdp.admin.base import has_perm
from cdp.admin.searched import options_page
from cdp.ids import is_id
from cdp.keys import is_called
from tags.models import Tag, TagValue

# What a choice is for: a filter of people by any tag, or what a hand may put on, or also take off whatever the value.
TO_FILTER, TO_ASSIGN, TO_ASSIGN_OR_REMOVE = "filter", "assign", "both"


def tag_options_url(*, but: str) -> str:
    """Where a select asks for tags by their keys, without one."""
    return f"{reverse('admin:tags_tag_options')}?{urlencode({'but': but})}"


def choices_url(purpose: str, **given: str) -> str:
    """Where a select asks for tags with their values, `12` or `12:34`; `tag` is the id of the only one."""
    return f"{reverse('admin:tags_choices')}?{urlencode({'for': purpose, **given})}"


def tag_options(request: HttpRequest) -> JsonResponse:
    """Tags but the archived whose name or key has what was typed, by their keys."""
    if not has_perm(request, "tags.view_tag"):
        raise PermissionDenied

    def find(term: str) -> list[QuerySet[Tag]]:
        found = Tag.objects.current().filter(is_called(term))
        return [found.exclude(key=request.GET.get("but", "")).order_by("name", "key")]

    return options_page(request, find, lambda tag: (tag.key, tag.name))


def choices_view(request: HttpRequest) -> JsonResponse:
    """Tags, then their values, where the name or key of either has what was typed; what only removes comes last."""
    if not has_perm(request, "tags.view_tag"):
        raise PermissionDenied
    purpose, only = request.GET.get("for", ""), request.GET.get("tag", "")
    tags = Tag.objects.current() if purpose == TO_FILTER else Tag.objects.active().filter(kind=Tag.Kind.MANUAL)
    if is_id(only):
        tags = tags.filter(pk=only)

    def find(term: str) -> list[QuerySet[Any]]:
        alone = tags.annotate(has_values=Exists(TagValue.objects.filter(tag=OuterRef("pk")))).filter(is_called(term))
        alone = alone.order_by("name", "key")
        found = is_called(term) | is_called(term, of="tag__")
        values = TagValue.objects.filter(found, tag__in=tags).select_related("tag")
        values = values.order_by("tag__name", "tag__key", "position", "pk")
        if purpose == TO_FILTER:
            return [alone, values]
        to_assign = [alone.filter(has_values=False), values]
        return to_assign if purpose == TO_ASSIGN else [*to_assign, alone.filter(has_values=True)]

    return options_page(request, find, lambda row: choice_of(row, purpose))


def choice_of(row: Tag | TagValue, purpose: str) -> tuple[str, str]:
    """How forms, or the filter, name a tag or a value, and its label."""
    if isinstance(row, TagValue):
        return f"{row.tag_id}:{row.pk}", label_of(row.tag, row, has_values=True)
    if purpose == TO_FILTER:
        return str(row.pk), row.name
    return f"{row.pk}:", label_of(row, has_values=row.has_values)  # type: ignore[attr-defined]


def label_of(tag: Tag, value: TagValue | None = None, *, has_values: bool) -> str:
    if value is not None:
        return f"{tag.name} · {value.name}"
    return gettext("%(tag)s · whatever value (to remove)") % {"tag": tag.name} if has_values else tag.name
