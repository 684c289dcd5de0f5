"""From draft to archive: the filters of the list of tags, and the buttons that move one on."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from cdp.admin.base import signed_in
from cdp.disclosure import may_see_pii
from cdp.models import User
from cdp.rules.errors import RuleError
from profiles.admin.holders import badge
from tags.models import Tag
from tags.services import move_tag

LABELS = {Tag.Lifecycle.DRAFT: "warning", Tag.Lifecycle.ACTIVE: "success", Tag.Lifecycle.ARCHIVED: "default"}
SAID = {
    Tag.Lifecycle.ACTIVE: _("“%(tag)s” is in use now."),
    Tag.Lifecycle.ARCHIVED: _("“%(tag)s” is archived: whoever carries it still does, and nothing changes that."),
}


class LifecycleFilter(DropdownFilter):  # type: ignore[misc]
    """Drafts and those in use, unless the archive is asked for."""

    title = _("lifecycle")
    parameter_name = "lifecycle"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*Tag.Lifecycle.choices, ("all", _("All, also archived"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Tag]) -> QuerySet[Tag]:
        value = self.value()
        if value in Tag.Lifecycle.values:
            return queryset.filter(lifecycle=value)
        return queryset if value == "all" else queryset.exclude(lifecycle=Tag.Lifecycle.ARCHIVED)


class CategoryFilter(DropdownFilter):  # type: ignore[misc]
    """Those of one category, as it is written."""

    title = _("category")
    parameter_name = "category"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        named = Tag.objects.exclude(category="").order_by("category").values_list("category", flat=True)
        return [(category, category) for category in named.distinct()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Tag]) -> QuerySet[Tag]:
        return queryset.filter(category=self.value()) if self.value() else queryset


class OwnerFilter(DropdownFilter):  # type: ignore[misc]
    """Those of one owner; whoever looks comes first."""

    title = _("owner")
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        owners = User.objects.filter(pk__in=Tag.objects.filter(owner__isnull=False).values("owner"))
        others = [(str(user.pk), str(user)) for user in owners.order_by("username") if user.pk != request.user.pk]
        return [(str(request.user.pk), _("Mine")), *others]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Tag]) -> QuerySet[Tag]:
        value = self.value()
        return queryset.filter(owner=int(value)) if value and value.isdecimal() and len(value) < 19 else queryset


def may_move(request: HttpRequest) -> bool:
    """Rules hold personal values: who may not read them does not put them to use either."""
    return request.user.has_perm("tags.change_tag") and may_see_pii(request.user)


def lifecycle_view(request: HttpRequest, tag_id: int) -> HttpResponse:
    """Activate, archive or restore a tag, as the buttons on its page post it."""
    tag = get_object_or_404(Tag, pk=tag_id)
    if request.method != "POST" or not may_move(request):
        return HttpResponse(status=405 if request.method != "POST" else 403)
    try:
        after = Tag.Lifecycle(request.POST.get("to", ""))
    except ValueError:
        return HttpResponse(status=400)
    try:
        run = move_tag(tag, after, user=signed_in(request))
    except RuleError as error:
        messages.error(request, "; ".join(str(problem) for problem in error.problems))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, SAID[after] % {"tag": tag.name})
        if run is not None:
            messages.info(request, gettext("Queued a refresh."))
    return HttpResponseRedirect(reverse("admin:tags_tag_change", args=[tag_id]))


def lifecycle_label(tag: Tag) -> SafeString:
    return badge(tag.get_lifecycle_display(), LABELS[Tag.Lifecycle(tag.lifecycle)])
