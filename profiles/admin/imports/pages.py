"""The list of imports and the page of one; its steps and what can be done with it have modules of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from cdp.admin.base import StrataAdmin, display, has_perm
from cdp.admin.runs import progress
from cdp.disclosure import may_see_pii, shown_counts, shown_reason
from cdp.uploads import UploadTooLargeError, receive_to_disk
from profiles.admin.holders import badge
from profiles.admin.imports import actions
from profiles.admin.imports.columns_step import columns_view, preview_view
from profiles.admin.imports.file_step import file_view
from profiles.admin.imports.filters import MappingFilter, StateFilter, UserFilter, WhenFilter
from profiles.admin.imports.keeping import keep, keeping_of
from profiles.admin.imports.report import refused_sample
from profiles.admin.imports.taking_back import again_view, can_be_taken_back, take_back_view
from profiles.admin.imports.target_forms import in_words
from profiles.admin.imports.upload import refuse_too_large, upload_view
from profiles.admin.imports.words import counted, file_name, leaning_context, so_far
from profiles.imports.again import error_of
from profiles.imports.engine import N_NAMED
from profiles.models import Import
from profiles.services.imports import check_mapping, equal_imports, reading_id

STATE_KINDS = {
    Import.State.DRAFT: "default",
    Import.State.RUNNING: "info",
    Import.State.STOPPED: "warning",
    Import.State.FAILED: "danger",
    Import.State.COMPLETE: "success",
    Import.State.PARTLY_TAKEN_BACK: "warning",
    Import.State.TAKEN_BACK: "default",
}
OPEN = (Import.State.DRAFT, Import.State.FAILED)  # nothing was taken, so file and columns can still be changed
View = Callable[[HttpRequest, Import, dict[str, Any]], HttpResponse]


@admin.register(Import)
class ImportAdmin(StrataAdmin):
    """Files that were taken in. Previews and refused rows hold cells of the file: they need `view_pii`."""

    empty_text = _(
        "No file was imported yet. Upload one of customers, orders, tags or consents: you see what becomes of it first."
    )
    list_display = ("shown_file", "source", "state_label", "rows", "user", "created_at")
    list_filter = (StateFilter, "source", MappingFilter, UserFilter, WhenFilter)
    list_select_related = ("source", "user", "run")
    search_fields = ("name",)
    search_help_text = _("File name")
    ordering = ("-id",)
    sortable_by = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Import]:
        imports: Any = super().get_queryset(request)
        found: QuerySet[Import] = imports.with_state()
        return found

    # --- Who may what ---

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Every step shows cells of the file."""
        return may_see_pii(request.user) and bool(super().has_add_permission(request))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_see_pii(request.user) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An import is taken back, not deleted; one that was never started is discarded on its page."""
        return False

    # --- The list ---

    @display(description=_("file"), ordering="name")
    def shown_file(self, imported: Any) -> str:
        return file_name(imported, imported.viewer)

    @display(description=_("state"))
    def state_label(self, imported: Any) -> SafeString:
        if imported.state == Import.State.RUNNING:
            return progress(imported.run)
        return state_badge(imported)

    @display(description=_("rows"))
    def rows(self, imported: Import) -> SafeString:
        """A line may break between two counts, and not within one."""
        words = ((f"{name} {n:,}",) for name, n in counted(imported.counts))
        return format_html_join(" · ", '<span class="st-nowrap">{}</span>', words) or SafeString("-")

    # --- The pages ---

    def get_urls(self) -> list[URLPattern]:
        changing: dict[str, View] = {
            "file": file_view,
            "columns": columns_view,
            "preview": preview_view,
            "start": actions.start_view,
            "stop": actions.stop_view,
            "discard": actions.discard_view,
            "take-back": take_back_view,
            "again": again_view,
            "keep-mapping": self.keep_mapping_view,
        }
        own = [
            path(f"<int:pk>/{name}/", self.step(view), name=f"profiles_import_{name.replace('-', '_')}")
            for name, view in changing.items()
        ]
        live = path("<int:pk>/live/", self.admin_site.admin_view(self.live_view), name="profiles_import_live")
        refused = path(
            "<int:pk>/refused/", self.admin_site.admin_view(self.refused_view), name="profiles_import_refused"
        )
        return [*own, live, refused, *super().get_urls()]

    def step(self, view: View) -> Any:
        """A page or a button of those who import, given the import and what every page needs."""

        def page(request: HttpRequest, pk: int) -> HttpResponse:
            if not self.has_add_permission(request):
                raise PermissionDenied
            imported = self.import_or_404(request, pk)
            return view(request, imported, self.context(request, imported))

        return self.admin_site.admin_view(page)

    def import_or_404(self, request: HttpRequest, pk: Any) -> Any:
        imported: Any = self.get_queryset(request).select_related("source", "user", "run").filter(pk=pk).first()
        if imported is None or not self.has_view_permission(request, imported):
            raise Http404
        imported.shown_name = file_name(imported, request.user)  # for the breadcrumb
        return imported

    def context(self, request: HttpRequest, imported: Any) -> dict[str, Any]:
        """What the template of every step needs."""
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": imported.shown_name,
            "original": imported,
            "import": imported,
            "is_open": imported.state in OPEN,
            "is_fullwidth": "1",
        }

    @csrf_exempt
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Upload a file. The token is checked once its length is: that check reads the whole body."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": _("Import a file"),
            "is_fullwidth": "1",
        }  # fmt: skip
        try:
            if request.method == "POST":
                receive_to_disk(request)
        except UploadTooLargeError as error:
            return refuse_too_large(request, str(error), context)
        answer: HttpResponse = csrf_protect(upload_view)(request, context)
        return answer

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """How an import stands, what came of it, and what can be done next; who only looks sees counts."""
        imported = self.import_or_404(request, object_id if object_id.isdecimal() else 0)
        sees_cells, may_import = may_see_pii(request.user), self.has_add_permission(request)
        context = {
            **self.context(request, imported),
            **self.live_context(request, imported),
            "may_import": may_import,
            "may_take_back": self.has_change_permission(request) and can_be_taken_back(imported),
            "sees_cells": sees_cells,
            "seen": reading_id(imported),
            "problems": problems_of(imported.mapping) if may_import else [],
            "equal": equal_imports(imported) if may_import else [],
            "expected": counted(imported.dry_run_counts),
            "places": (shown_counts(imported.dry_run_counts, request.user) or {}).get("refused_rows", []),
            "more_places": (imported.dry_run_counts or {}).get("refused", 0) > N_NAMED,
            "refused": refused_sample(imported) if sees_cells else [],
            "keeping": keeping_of(request, imported) if may_import else None,
            **(extra_context or {}),
        }
        if may_import and imported.state == Import.State.TAKEN_BACK:
            context |= leaning_context(imported, request.user)
        return TemplateResponse(request, "profiles/imports/page.html", context)

    def keep_mapping_view(self, request: HttpRequest, imported: Any, context: dict[str, Any]) -> HttpResponse:
        """Keep the mapping for the next file; where its name does not do, the page says so at the field."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not has_perm(request, "profiles.add_importmapping"):
            raise PermissionDenied
        if (refused := keep(request, imported)) is None:
            return actions.to_page(imported)
        return self.change_view(request, str(imported.pk), extra_context={"keeping": refused})

    def live_context(self, request: HttpRequest, imported: Any) -> dict[str, Any]:
        return {
            "import": imported,
            "badge": state_badge(imported),
            "bar": progress(imported.run) if imported.is_running else "",
            "counts": counted(imported.counts),
            "so_far": so_far(imported.run) if imported.is_running else [],
            "may_stop": self.has_add_permission(request) and imported.is_running and imported.run.can_cancel,
            "error": shown_reason(imported.not_queued or error_of(imported), request.user),
        }

    def live_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """How far the import is, for htmx; once it has ended the page is loaded anew, for it says something else."""
        imported = self.import_or_404(request, pk)
        if not imported.is_running:
            return HttpResponse(headers={"HX-Refresh": "true"})
        return TemplateResponse(request, "profiles/imports/live.html", self.live_context(request, imported))

    def refused_view(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """The refused rows, for those who may see personal data."""
        imported = self.import_or_404(request, pk)
        if not may_see_pii(request.user):
            raise PermissionDenied
        return actions.refused_file(imported)


def problems_of(mapping: dict[str, Any]) -> list[str]:
    """What is wrong with how the columns are understood, in the words of the page where that is put right."""
    return [in_words(problem, mapping) for problem in check_mapping(mapping)]


def state_badge(imported: Any) -> SafeString:
    """The state in a word."""
    state = Import.State(imported.state)
    return badge(str(state.label), STATE_KINDS[state])
