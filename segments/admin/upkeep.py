"""Pages that keep the list of segments in order: duplicating, archiving and restoring."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from cdp.admin.base import signed_in
from cdp.disclosure import may_see_pii
from cdp.keys import free_key_among
from cdp.models import User
from cdp.rules.errors import RuleError
from profiles.refresh.saving import StillUsed
from segments.models import Segment
from segments.services import archive_segment, duplicate_segment, restore_segment

SAME, SNAPSHOT = "same", "snapshot"


class DuplicateForm(forms.Form):
    """What the copy is called, and whether it is one that is frozen."""

    name = forms.CharField(label=_("Name"), max_length=100, widget=UnfoldAdminTextInputWidget)
    key = forms.SlugField(label=_("Key"), max_length=50, widget=UnfoldAdminTextInputWidget)
    what = forms.ChoiceField(
        label=_("What"),
        choices=[
            (SAME, _("The same again: its rule, or its members where they came by hand")),
            (SNAPSHOT, _("A snapshot of who is in now, which stays as it is")),
        ],
        widget=UnfoldAdminSelectWidget,
    )


class ArchivedFilter(DropdownFilter):  # type: ignore[misc]
    """Those in use, unless the archive is asked for."""

    title = _("archive")
    parameter_name = "archived"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Archived")), ("all", _("All, also archived"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Segment]) -> QuerySet[Segment]:
        if self.value() == "all":
            return queryset
        return queryset.filter(archived_at__isnull=self.value() != "yes")


class OwnerFilter(DropdownFilter):  # type: ignore[misc]
    """Those of one owner; whoever looks comes first."""

    title = _("owner")
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        owners = User.objects.filter(pk__in=Segment.objects.filter(owner__isnull=False).values("owner"))
        others = [(str(user.pk), str(user)) for user in owners.order_by("username") if user.pk != request.user.pk]
        return [(str(request.user.pk), _("Mine")), *others]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Segment]) -> QuerySet[Segment]:
        value = self.value()
        return queryset.filter(owner=int(value)) if value and value.isdecimal() and len(value) < 19 else queryset


class CategoryFilter(DropdownFilter):  # type: ignore[misc]
    """Those of one category, as they were written."""

    title = _("category")
    parameter_name = "category"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        named = Segment.objects.exclude(category="").order_by("category").values_list("category", flat=True)
        return [(category, category) for category in named.distinct()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Segment]) -> QuerySet[Segment]:
        return queryset.filter(category=self.value()) if self.value() else queryset


class UpkeepPages:
    """Mixed into the admin of segments."""

    admin_site: Any
    opts: Any

    def upkeep_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:segment_id>/duplicate/", wrap(self.duplicate_view), name="segments_segment_duplicate"),
            path("<int:segment_id>/archive/", wrap(self.archive_view), name="segments_segment_archive"),
        ]

    def duplicate_view(self, request: HttpRequest, segment_id: int) -> HttpResponse:
        """Ask what the copy is called, and make it."""
        segment = get_object_or_404(Segment, pk=segment_id)
        if not may_duplicate(request):
            return HttpResponse(status=403)
        given = {
            "name": gettext("Copy of %(segment)s") % {"segment": segment.name},
            "key": key_of(segment.key),
            "what": SNAPSHOT if request.GET.get("what") == SNAPSHOT else SAME,
        }
        form = DuplicateForm(request.POST or None, initial=given)
        if form.is_valid():
            try:
                copy = duplicate_segment(
                    segment,
                    key=form.cleaned_data["key"],
                    name=form.cleaned_data["name"],
                    user=signed_in(request),
                    as_snapshot=form.cleaned_data["what"] == SNAPSHOT,
                )
            except ValidationError as error:
                for name, said in reported(error, form).items():
                    form.add_error(name, said)
            except RuleError as error:
                form.add_error(None, [str(problem) for problem in error.problems])
            else:
                messages.success(request, gettext("Made “%(segment)s”.") % {"segment": copy.name})
                return HttpResponseRedirect(reverse("admin:segments_segment_change", args=[copy.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": f"{segment.name} · {gettext('Duplicate')}",
            "opts": self.opts,
            "original": segment,
            "segment": segment,
            "form": form,
        }
        return TemplateResponse(request, "segments/duplicate.html", context)

    def archive_view(self, request: HttpRequest, segment_id: int) -> HttpResponse:
        """Archive, or restore what is archived."""
        segment = get_object_or_404(Segment, pk=segment_id)
        if request.method != "POST" or not may_archive(request):
            return HttpResponse(status=405 if request.method != "POST" else 403)
        try:
            if request.POST.get("restore"):
                restore_segment(segment, user=signed_in(request))
                messages.success(request, gettext("Restored: it is in use again."))
            else:
                archive_segment(segment, user=signed_in(request), now=timezone.now())
                messages.success(request, gettext("Archived: it keeps its members and is not refreshed any more."))
        except StillUsed as error:
            messages.error(request, " ".join(error.messages))
        except RuleError as error:
            messages.error(request, "; ".join(str(problem) for problem in error.problems))
        return HttpResponseRedirect(reverse("admin:segments_segment_change", args=[segment_id]))


def may_duplicate(request: HttpRequest) -> bool:
    """Rules hold personal values, which the copy would show."""
    return request.user.has_perm("segments.add_segment") and may_see_pii(request.user)


def may_archive(request: HttpRequest) -> bool:
    return request.user.has_perm("segments.change_segment") and may_see_pii(request.user)


def reported(error: ValidationError, form: forms.Form) -> dict[str | None, list[str]]:
    """What the service refused, by the fields of the form."""
    if not hasattr(error, "error_dict"):
        return {None: error.messages}
    return {name if name in form.fields else None: said for name, said in error.message_dict.items()}


def key_of(name: str) -> str:
    """A key made of a name, in whatever script, that no segment has."""
    return free_key_among(Segment.objects, name, otherwise="segment")
