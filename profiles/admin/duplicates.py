"""Possible duplicates: the list by probability, one pair after another side by side, and many at once."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from cdp.admin.base import ReadOnlyAdmin, display, has_perm, signed_in
from cdp.admin.runs import progress
from cdp.disclosure import may_see_pii
from cdp.models import Run
from profiles.admin.holders import badge
from profiles.admin.identity import error_text, person_link
from profiles.admin.pairs import page_of, rejected_between, rows_of, sides_of
from profiles.admin.people import asked_again
from profiles.admin.profile import chips
from profiles.identity.errors import IdentityError
from profiles.models import DuplicateSuggestion
from profiles.services.duplicates import (
    MAX_REJECTED,
    NotInstalled,
    NotToReview,
    accept_suggestion,
    is_installed,
    queue_acceptance,
    queue_search,
    reject_suggestion,
    reject_suggestions,
    reopen_suggestion,
    to_accept_at_least,
)
from profiles.services.duplicates.bulk import ACCEPT_DUPLICATES
from profiles.services.duplicates.search import FIND_DUPLICATES
from profiles.services.duplicates.words import told
from profiles.services.identity.together import why_apart

State = DuplicateSuggestion.State
STATE_KINDS = {State.OPEN: "warning", State.ACCEPTED: "success", State.REJECTED: "default", State.OUTDATED: "default"}
EVERY_STATE = "all"
SURE = 0.99  # what the form for many begins with


class StateFilter(DropdownFilter):  # type: ignore[misc]
    """Those to review, unless another state is chosen."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*State.choices, (EVERY_STATE, _("All"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value() or State.OPEN
        return queryset.filter(state=value) if value in State.values else queryset


class ProbabilityFilter(DropdownFilter):  # type: ignore[misc]
    title = _("probability")
    parameter_name = "probable"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("0.999", "≥ 99.9%"), ("0.99", "≥ 99%"), ("0.95", "≥ 95%")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(probability__gte=value) if value in dict(self.lookup_choices) else queryset


class ManyForm(forms.Form):
    """From which probability on to accept."""

    at_least = forms.FloatField(label=_("Probability of at least"), min_value=0.5, max_value=1)


def may_decide(request: HttpRequest) -> bool:
    """Nobody judges what they may not see."""
    return may_see_pii(signed_in(request)) and has_perm(request, "profiles.change_duplicatesuggestion")


def may_merge(request: HttpRequest) -> bool:
    return may_decide(request) and has_perm(request, "profiles.merge_profile")


@admin.register(DuplicateSuggestion)
class DuplicateSuggestionAdmin(ReadOnlyAdmin):
    """Pairs that a search found probable, the most probable first."""

    empty_text = _(
        "Nothing to review. Once a week a search compares names, emails, phones, birthdays and addresses, and puts "
        "the pairs here that are probably one person."
    )
    list_display = ("sure", "one", "other", "reasons", "status", "suggested_at")
    list_display_links = None  # the probability leads to the pair
    list_filter = (StateFilter, ProbabilityFilter)
    list_select_related = ("left__merged_into", "right__merged_into")
    list_before_template = "profiles/duplicates/bar.html"
    actions = ("reject_chosen",)
    ordering = ("-probability", "-id")
    sortable_by = ()

    def get_urls(self) -> list[URLPattern]:
        wrap, name = self.admin_site.admin_view, "profiles_duplicatesuggestion"
        return [
            path("search/", wrap(self.search_view), name=f"{name}_search"),
            path("many/", wrap(self.many_view), name=f"{name}_many"),
            path("<int:pk>/decide/", wrap(self.decide_view), name=f"{name}_decide"),
            *super().get_urls(),
        ]

    # --- The list ---

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """With how the last search and the last acceptance stand, and what may be begun."""
        kinds = (FIND_DUPLICATES, ACCEPT_DUPLICATES)
        runs = [run for kind in kinds if (run := Run.objects.filter(kind=kind).order_by("-id").first())]
        first = DuplicateSuggestion.objects.open().order_by("-probability", "-pk").values_list("pk", flat=True).first()
        context = {
            "is_installed": is_installed(),
            "may_search": has_perm(request, "profiles.add_duplicatesuggestion"),
            "may_merge": may_merge(request),
            "first_open": first,
            "runs": [(run, progress(run)) for run in runs],
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    @display(description=_("probability"))
    def sure(self, suggestion: DuplicateSuggestion) -> SafeString:
        url = reverse("admin:profiles_duplicatesuggestion_change", args=[suggestion.pk])
        return format_html('<a class="st-link" href="{}">{}</a>', url, percent(suggestion.probability))

    @display(description=_("one profile"))
    def one(self, suggestion: Any) -> SafeString:
        return person_link(suggestion.people[0], suggestion.viewer)

    @display(description=_("other profile"))
    def other(self, suggestion: Any) -> SafeString:
        return person_link(suggestion.people[1], suggestion.viewer)

    @display(description=_("evidence"))
    def reasons(self, suggestion: DuplicateSuggestion) -> SafeString:
        strongest = sorted(suggestion.evidence, key=lambda evidence: -abs(evidence["weight"]))
        return chips([str(told(evidence).says) for evidence in strongest], shown=3)

    @display(description=_("state"))
    def status(self, suggestion: DuplicateSuggestion) -> SafeString:
        return badge(suggestion.get_state_display(), STATE_KINDS[State(suggestion.state)])

    # --- One pair ---

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Both side by side, the evidence, and what can be decided."""
        found = DuplicateSuggestion.objects.with_people().select_related("decided_by")
        suggestion = found.filter(pk=object_id).first() if object_id.isdecimal() else None
        if suggestion is None or not self.has_view_permission(request, suggestion):
            raise Http404
        people = suggestion.people
        is_open = suggestion.state == State.OPEN
        ids = [person.pk for person in people]
        following = next_after(suggestion)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Possible duplicate"),
            "opts": self.opts,
            "original": suggestion,
            "is_fullwidth": "1",
            "suggestion": suggestion,
            "percent": percent(suggestion.probability),
            "status": self.status(suggestion),
            "evidence": [told(evidence) for evidence in suggestion.evidence],
            "sides": sides_of(people, request.user),
            "is_one": people[0] == people[1],
            "history_url": reverse("admin:profiles_profile_change", args=[people[0].pk]) + "#history",
            "rows": rows_of(people, request.user),
            "apart": why_apart(ids, viewer=signed_in(request)) if is_open else "",
            "rejected": rejected_between(ids, signed_in(request)) if is_open else [],
            "may_decide": may_decide(request),
            "may_merge": may_merge(request),
            "next_url": page_of(following) if following else "",
            "n_open": DuplicateSuggestion.objects.open().count(),
        }
        return TemplateResponse(request, "profiles/duplicates/pair.html", context)

    def decide_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Accept, reject or reopen, as the form of the pair says; the next pair follows, or the list.

        What was decided meanwhile is said on the pair's own page: on that of the next it would be read of the next.
        """
        decision = request.POST.get("decision", "")
        allowed = may_merge(request) if decision == "accept" else may_decide(request)
        if request.method != "POST" or not allowed:
            return HttpResponse(status=405 if request.method != "POST" else 403)
        suggestion = get_object_or_404(DuplicateSuggestion, pk=pk)
        try:
            if decision == "accept":
                merge = accept_suggestion(pk, user=signed_in(request), now=timezone.now())
                text = gettext('Merged into {}. <a class="st-link" href="{}">Undo</a>')
                undo_url = reverse("admin:profiles_profile_undo", args=[merge.pk])
                messages.success(request, format_html(text, person_link(merge.survivor, request.user), undo_url))
            elif decision == "reject":
                reject_suggestion(pk, user=signed_in(request), now=timezone.now())
                text = gettext('Rejected: they are not suggested again. <a class="st-link" href="{}">Look again</a>')
                messages.success(request, format_html(text, page_of(suggestion)))
            elif decision == "reopen":
                reopen_suggestion(pk)
                messages.success(request, gettext("Open again."))
                return HttpResponseRedirect(page_of(suggestion))
            else:
                return HttpResponse(status=400)
        except IdentityError as error:
            messages.error(request, error_text(error, request))
            return HttpResponseRedirect(page_of(suggestion))
        except NotToReview as error:
            messages.warning(request, str(error))
            return HttpResponseRedirect(page_of(suggestion))
        return self.go_on(request, next_after(suggestion))

    def go_on(self, request: HttpRequest, following: DuplicateSuggestion | None) -> HttpResponse:
        if following is not None:
            return HttpResponseRedirect(page_of(following))
        messages.info(request, gettext("That was the last one of the list."))
        return HttpResponseRedirect(reverse("admin:profiles_duplicatesuggestion_changelist"))

    # --- Searching, and many at once ---

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return may_decide(request)

    @admin.action(description=_("Reject the chosen…"), permissions=["decide"])
    def reject_chosen(self, request: HttpRequest, chosen: QuerySet[DuplicateSuggestion]) -> HttpResponse | None:
        """Ask first; then reject those of them that are open."""
        chosen = DuplicateSuggestion.objects.filter(pk__in=chosen.order_by().values("pk"))
        is_open, n_chosen = chosen.filter(state=State.OPEN), chosen.count()
        n_open = is_open.count()
        if "apply" in request.POST:
            n = reject_suggestions(chosen, user=signed_in(request), now=timezone.now(), limit=MAX_REJECTED)
            say_rejected(request, n, n_settled=n_chosen - n_open, n_left=is_open.count())
            return None
        context = {
            **self.admin_site.each_context(request),
            **asked_again(request),
            "title": gettext("Reject pairs"),
            "opts": self.opts,
            "n_open": n_open,
            "n_others": n_chosen - n_open,
            "at_once": MAX_REJECTED if n_open > MAX_REJECTED else 0,
            "back": request.get_full_path(),
        }
        return TemplateResponse(request, "profiles/duplicates/reject.html", context)

    def search_view(self, request: HttpRequest) -> HttpResponse:
        """Queue a search; the list shows its progress."""
        if request.method != "POST" or not has_perm(request, "profiles.add_duplicatesuggestion"):
            return HttpResponse(status=405 if request.method != "POST" else 403)
        try:
            queue_search(user=signed_in(request))
            messages.success(request, gettext("Queued a search. The list fills when it has ended."))
        except NotInstalled as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:profiles_duplicatesuggestion_changelist"))

    def many_view(self, request: HttpRequest) -> HttpResponse:
        """How many would be accepted, and by POST their acceptance, as a run."""
        if not may_merge(request):
            return HttpResponse(status=403)
        form = ManyForm(request.POST or {"at_least": request.GET.get("at_least", SURE)})
        n_sure = to_accept_at_least(form.cleaned_data["at_least"]).count() if form.is_valid() else 0
        if request.method == "POST" and n_sure:
            queue_acceptance(form.cleaned_data["at_least"], user=signed_in(request))
            text = ngettext("Queued the acceptance of %(n)d pair.", "Queued the acceptance of %(n)d pairs.", n_sure)
            messages.success(request, text % {"n": n_sure})
            return HttpResponseRedirect(reverse("admin:profiles_duplicatesuggestion_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Accept many"),
            "opts": self.opts,
            "form": form,
            "n_sure": n_sure,
            "n_open": DuplicateSuggestion.objects.open().count(),
        }
        return TemplateResponse(request, "profiles/duplicates/many.html", context)


def say_rejected(request: HttpRequest, n: int, *, n_settled: int, n_left: int) -> None:
    """What became of those that were to be rejected."""
    if n:
        text = ngettext(
            "%(n)s pair was rejected: it is not suggested again.",
            "%(n)s pairs were rejected: they are not suggested again.",
            n,
        )
        messages.success(request, text % {"n": f"{n:,}"})
    if n_settled:
        text = ngettext(
            "%(n)s pair was settled before, and stays as it is.",
            "%(n)s pairs were settled before, and stay as they are.",
            n_settled,
        )
        messages.warning(request, text % {"n": f"{n_settled:,}"})
    if n_left:
        text = ngettext("%(n)s is left: do it again.", "%(n)s are left: do it again.", n_left)
        messages.warning(request, text % {"n": f"{n_left:,}"})


def next_after(suggestion: DuplicateSuggestion) -> DuplicateSuggestion | None:
    """The open one that follows in the order of the list."""
    return DuplicateSuggestion.objects.open().after(suggestion).order_by("-probability", "-pk").first()


def percent(probability: float) -> str:
    """Two digits, never rounded up to certainty."""
    return f"{min(int(probability * 10_000) / 100, 99.99):.2f}%"
