"""Runs: what long work is under way, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from cdp.admin.base import ReadOnlyAdmin, StrataChangeList, display
from cdp.disclosure import shown_error
from cdp.models import Run
from cdp.subjects import Subject, subjects_of

# Kinds are registered by the apps above; their names stand here as words to show.
KIND_NAMES = {
    "refresh": _("Refresh in full"),
    "score": _("Scoring"),
    "import": _("Import"),
    "plan_campaign": _("Planning a campaign"),
}
COUNT_NAMES = {"planned": _("planned deliveries")}
STATE_LABELS = {
    Run.State.QUEUED: "default",
    Run.State.RUNNING: "info",
    Run.State.SUCCEEDED: "success",
    Run.State.FAILED: "danger",
    Run.State.CANCELLED: "warning",
}

ENDED = (Run.State.SUCCEEDED, Run.State.FAILED, Run.State.CANCELLED)


def kind_name(run: Run) -> str:
    """The kind of a run in the active language."""
    return str(KIND_NAMES.get(run.kind, run.kind))


def progress(run: Run) -> SafeString:
    """The progress bar of a run, which asks for itself again every two seconds until the run has ended."""
    return render_to_string("cdp/run_progress.html", {"run": run, "kind": STATE_LABELS[Run.State(run.state)]})


def name_things(runs: Sequence[Run]) -> None:
    """Give each run its `thing`: what it worked on, by name."""
    subjects = subjects_of(runs)
    for run in runs:
        run.thing = subjects[run.pk]  # type: ignore[attr-defined]


def thing_link(thing: Subject) -> SafeString | str:
    """The name of what was worked on, which leads to its page where it has one."""
    return format_html('<a class="st-link" href="{}">{}</a>', thing.url, thing.name) if thing.url else str(thing.name)


class RunChangeList(StrataChangeList):
    """Names what the runs of the page worked on, one query a kind of thing."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        name_things(self.result_list)


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    """What was done, by whom, how far it is."""

    list_display = ("name", "subject_shown", "bar", "user", "created_at", "ended_at")
    list_filter = ("state", "kind")
    list_select_related = ("user",)
    search_fields = ("subject",)
    search_help_text = _("Key of what was worked on")
    ordering = ("-id",)
    fields = ("name", "subject_shown", "bar", "user", "counted", "created_at", "started_at", "ended_at", "failure")
    readonly_fields = fields

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[RunChangeList]:
        return RunChangeList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            name_things([found])
            found.shown_name = f"{kind_name(found)} · {found.thing.name}"
        return found

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Run], search_term: str
    ) -> tuple[QuerySet[Run], bool]:
        found = queryset.filter(subject__icontains=search_term.strip()) if search_term.strip() else queryset
        return found, False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.progress_view)
        return [path("<int:run_id>/progress/", view, name="cdp_run_progress"), *super().get_urls()]

    def progress_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """The bar of one run, for htmx. The last one tells the page that the run has ended: what it says is old."""
        run = get_object_or_404(Run, pk=run_id)
        if not self.has_view_permission(request, run):
            return HttpResponse(status=403)
        return HttpResponse(progress(run), headers={"HX-Trigger": "run-ended"} if run.state in ENDED else {})

    @display(description=_("work"), ordering="kind")
    def name(self, run: Run) -> str:
        return kind_name(run)

    @display(description=pgettext_lazy("of a run", "subject"), ordering="subject")
    def subject_shown(self, run: Any) -> SafeString | str:
        return thing_link(run.thing)

    @display(description=_("progress"), ordering="state")
    def bar(self, run: Run) -> SafeString:
        return progress(run)

    @display(description=_("error"))
    def failure(self, run: Any) -> str:
        return shown_error(run, run.viewer) or "-"

    @display(description=_("counts"))
    def counted(self, run: Run) -> SafeString:
        counts: dict[str, Any] = run.counts or {}
        facts = {
            COUNT_NAMES.get(name, name): "; ".join(n) if isinstance(n, list) else n
            for name, n in counts.items()
            if n != []
        }
        return render_to_string("cdp/facts.html", {"facts": facts.items()})
