"""Runs: what long work is under way, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from cdp.admin.base import ReadOnlyAdmin, StrataChangeList, account, display, signed_in
from cdp.disclosure import may_see_pii, shown_counts, shown_error
from cdp.models import Run
from cdp.results import result_response
from cdp.runs import NotCancellableError, cancel_run, may_cancel
from cdp.subjects import Subject, subjects_of

# Kinds are registered by the apps above; their names stand here as words to show.
KIND_NAMES = {
    "refresh": _("Refresh in full"),
    "check": _("Nightly check"),
    "fill": _("Filling of a segment"),
    "join_people": _("Putting people into a segment"),
    "unjoin_people": _("Taking people out again"),
    "score": _("Scoring"),
    "tag_people": _("Tagging of many"),
    "untag_people": _("Taking back of a tagging"),
    "refold": _("Folding again"),
    "promote": _("Filling in of event values"),
    "index_moments": _("Indexing dates and times"),
    "replay": _("Replay of rejected messages"),
    "discard": _("Discarding rejected messages"),
    "import": _("Import"),
    "dry_run": _("Check of an import"),
    "take_back": _("Taking back of an import"),
    "import_again": _("Import of later files again"),
    "plan_campaign": _("Planning a campaign"),
    "find_duplicates": _("Search for duplicates"),
    "accept_duplicates": _("Acceptance of duplicates"),
}
COUNT_NAMES = {
    "changed": _("changed profiles"),
    "corrected": _("corrected profiles"),
    "orphans": _("rows that point at nobody"),
    "refreshed": _("refreshes queued"),
    "planned": _("planned deliveries"),
    "people": _("people compared"),
    "pairs_compared": _("pairs compared"),
    "pairs_weighed": _("of these weighed so far"),
    "common_keys_left_out": _("values left out, as too many people share them"),
    "pairs_left_out": _("pairs left out with them"),
    "fields_learnt": _("fields whose weight was learnt from the data"),
    "new_suggestions": _("new suggestions"),
    "kept_suggestions": _("suggestions that were there"),
    "outdated_suggestions": _("suggestions that are outdated"),
    "suggestions_left_out": _("less probable suggestions left out"),
    "accepted": _("accepted"),
    "refused": _("refused by a limit or a separation"),
    "rejected_before": _("left, since these people were rejected before"),
    "passed_over": _("passed over, as decided or merged meanwhile"),
    "joined": _("people put in"),
    "tagged": _("people whose tag changed"),
    "removed": _("people who lost the tag"),
    "taken_back": _("taken back"),
    "replayed": _("replayed"),
    "discarded": _("discarded"),
}
# What a kind of work means by a word that others use too.
KIND_COUNT_NAMES = (
    {
        kind: {
            "new": _("new people"),
            "changed": _("rows that change something"),
            "unchanged": _("nothing new of the person"),
            "refused": _("refused rows"),
            "refused_rows": _("where rows were refused"),
            "events": _("events"),
            "known_events": _("events known before"),
            "passed_over": _("identifiers passed over, as they can name nobody"),
            "consents": _("consents written down"),
            "known_words": _("values and consents that were said before"),
            "merges": pgettext_lazy("count", "merges"),
            "tags": _("tags assigned"),
            "tags_unchanged": _("tagged so already"),
            "segments": _("put into segments"),
            "segments_unchanged": _("in their segments already"),
            "suppressions": _("suppressed addresses"),
            "suppressions_unchanged": _("suppressed already"),
            "again": _("imports that came again"),
            "not_again": _("imports that could not come again"),
        }
        for kind in ("import", "dry_run", "import_again")
    }
    | {kind: {"kept": _("kept, as they cannot be put into the inbox")} for kind in ("replay", "discard")}
    | {kind: {"kept": _("kept, as another list names them")} for kind in ("unjoin_people", "untag_people")}
    | {
        "take_back": {
            "people": _("people"),
            "rows": _("rows about people"),
            "kept": _("people who stayed, for what somebody wrote of them by hand"),
        }
    }
    | {"promote": {"events": _("events looked at"), "valued": _("events that got a value")}}
    | {"check": {"failed": _("whose rules fail")}}
)
STATE_LABELS = {
    Run.State.QUEUED: "default",
    Run.State.RUNNING: "info",
    Run.State.SUCCEEDED: "success",
    Run.State.FAILED: "danger",
    Run.State.CANCELLED: "warning",
}


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

    empty_text = _("Nothing has run yet. Imports, full refreshes, scorings and campaigns show here.")
    list_display = ("name", "subject_shown", "bar", "user", "created_at", "ended_at")
    list_filter = ("state", "kind")
    list_select_related = ("user",)
    search_fields = ("subject",)
    search_help_text = _("Key of what was worked on")
    ordering = ("-id",)
    fields = (
        "name", "subject_shown", "bar", "choices", "by", "counted", "created_at", "started_at", "ended_at", "failure",
    )  # fmt: skip
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
        views = {"progress": self.progress_view, "cancel": self.cancel_view, "result": self.result_view}
        own = [
            path(f"<int:run_id>/{name}/", self.admin_site.admin_view(view), name=f"cdp_run_{name}")
            for name, view in views.items()
        ]
        return [*own, *super().get_urls()]

    def progress_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """The bar of one run, for htmx. The last one tells the page that the run has ended: what it says is old."""
        run = get_object_or_404(Run, pk=run_id)
        if not self.has_view_permission(request, run):
            return HttpResponse(status=403)
        return HttpResponse(progress(run), headers={} if run.is_unfinished else {"HX-Trigger": "run-ended"})

    def cancel_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Stop the run, then show its page."""
        run = get_object_or_404(Run, pk=run_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_view_permission(request, run) or not may_cancel(run, signed_in(request)):
            raise PermissionDenied
        try:
            cancel_run(run.pk, now=timezone.now())
        except NotCancellableError as error:
            messages.warning(request, str(error))
        else:
            messages.success(request, gettext("It stops at its next step. What it has done so far stays."))
        return HttpResponseRedirect(reverse("admin:cdp_run_change", args=[run.pk]))

    def result_view(self, request: HttpRequest, run_id: int) -> FileResponse:
        """The result file, for those who may see personal data."""
        run = get_object_or_404(Run, pk=run_id)
        if not self.has_view_permission(request, run):
            raise PermissionDenied
        return result_response(run, signed_in(request))

    @display(description=_("work"), ordering="kind")
    def name(self, run: Run) -> str:
        return kind_name(run)

    @display(description=pgettext_lazy("of a run", "subject"), ordering="subject")
    def subject_shown(self, run: Any) -> SafeString | str:
        return thing_link(run.thing)

    @display(description=_("started by"))
    def by(self, run: Any) -> SafeString | str:
        return account(run.user, run.viewer)

    @display(description=_("progress"), ordering="state")
    def bar(self, run: Run) -> SafeString:
        return progress(run)

    @display(description=_("what you can do"))
    def choices(self, run: Any) -> SafeString:
        context = {
            "run": run,
            "may_cancel": run.can_cancel and may_cancel(run, run.viewer),
            "may_download": run.result_file and may_see_pii(run.viewer),
        }
        return render_to_string("cdp/run_choices.html", context)

    @display(description=_("error"))
    def failure(self, run: Any) -> str:
        return shown_error(run, run.viewer) or "-"

    @display(description=_("counts"))
    def counted(self, run: Any) -> SafeString:
        counts = shown_counts(run.counts, run.viewer) or {}
        names = COUNT_NAMES | KIND_COUNT_NAMES.get(run.kind, {})
        facts = {
            names.get(name, name): "; ".join(n) if isinstance(n, list) else n for name, n in counts.items() if n != []
        }
        return render_to_string("cdp/facts.html", {"facts": facts.items()})
