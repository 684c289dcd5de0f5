"""Data quality: what came in, what of it was not planned, and the rows behind each number."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db import OperationalError, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from psycopg.errors import QueryCanceled

from cdp.admin.base import ReadOnlyAdmin, display, has_perm, signed_in
from cdp.disclosure import may_see_pii
from cdp.keyset import keyset_page
from cdp.local_settings import set_local
from profiles.admin.identity import person_link
from profiles.admin.rejected import DayFilter, as_day
from profiles.cards import CHART_OPTIONS
from profiles.masking import MASK, mask_event_properties, masking_for
from profiles.models import Event, EventDefinition, Profile, Source, Violation
from profiles.problems import in_words
from profiles.services.quality import (
    Period,
    by_event,
    by_source,
    count_discovered,
    volumes,
    worst_violations,
)
from profiles.services.rejected import end_of, start_of

PERIODS = (7, 30, 90)
ROWS_TIMEOUT = "5s"
N_ROWS = 50
MAY_BE_MASKED = r"@|[0-9][0-9 .()-]{5,}"  # names that hold an address or a number
# Told apart on white and on dark; more sources than colours begin again.
COLOURS = ("#3b82f6", "#10b981", "#f59e0b", "#8b5cf6", "#ec4899", "#14b8a6", "#f97316", "#64748b")


class ViolationDayFilter(DayFilter):
    """Let through on one business day, or since a few."""

    title = _("day")

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() in self.days:
            return queryset.filter(day__gte=timezone.localdate() - timedelta(days=self.days[self.value()]))
        asked = as_day(self.value())
        return queryset.filter(day=asked) if asked else queryset


@admin.register(Violation)
class ViolationAdmin(ReadOnlyAdmin):
    """What was not planned and was let through, by day, with a few examples; and the page with the figures of all."""

    empty_text = _("Nothing unplanned was counted. A source counts it where its page says so: Allow and count.")
    list_display = ("day", "source", "shown_event", "shown_place", "shown_problem", "n_messages")
    list_filter = ("source", "rule", ViolationDayFilter)
    list_select_related = ("source",)
    search_fields = ("event", "path")
    search_help_text = _("Event or place")
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        "source", "day", "shown_event", "rule", "shown_place", "shown_problem", "n_messages", "last_at",
        "shown_examples",
    )  # fmt: skip

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """What the page of figures asks besides: nobody finds a name by what is masked in it."""
        if lookup in ("event__exact", "path__exact") and request is not None:
            return bool(masking_for(signed_in(request)).sentence(value) == value)
        of_filters: bool = super().lookup_allowed(lookup, value, request)
        return of_filters or lookup == "day__gte"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Violation], search_term: str
    ) -> tuple[QuerySet[Violation], bool]:
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if search_term and not may_see_pii(signed_in(request)):
            found = found.exclude(Q(event__regex=MAY_BE_MASKED) | Q(path__regex=MAY_BE_MASKED))
        return found, may_repeat

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("quality/", wrap(self.quality_view), name="profiles_quality"),
            path("events/", wrap(self.events_view), name="profiles_quality_events"),
            *super().get_urls(),
        ]

    @display(description=_("event"))
    def shown_event(self, violation: Any) -> str:
        return masking_for(violation.viewer).sentence(violation.event) or "-"

    @display(description=_("place"))
    def shown_place(self, violation: Any) -> str:
        """A name of a property may be somebody's address, where a source uses them as keys."""
        return masking_for(violation.viewer).sentence(violation.path) or "-"

    @display(description=_("problem"))
    def shown_problem(self, violation: Any) -> str:
        rule, problem = Violation.Rule(violation.rule), violation.problem
        return masking_for(violation.viewer).sentence(problem_text(rule, problem))

    @display(description=_("examples"))
    def shown_examples(self, violation: Any) -> SafeString | str:
        sees = may_see_pii(violation.viewer)
        rows = [
            (each["message"] if sees else MASK, json.dumps(each["value"], ensure_ascii=False) if sees else MASK)
            for each in violation.examples
        ]
        return (
            format_html_join("", '<p><code class="st-code">{}</code> {}</p>', [(value, id_) for id_, value in rows])
            or "-"
        )

    # --- The figures ---

    def quality_view(self, request: HttpRequest) -> HttpResponse:
        """Volumes, freshness, violations and identifiers of the last days, all from counters."""
        if not has_perm(request, "profiles.view_eventday"):
            return HttpResponse(status=403)
        asked = request.GET.get("days", "")
        n_days = int(asked) if asked in map(str, PERIODS) else 30
        period = Period.until(timezone.localdate(), n_days=n_days)
        source = chosen(Source, request.GET.get("source", ""))
        event = chosen(EventDefinition, request.GET.get("event", ""))
        only = {"source_id": source.pk if source else None}
        n_events, n_attributes = count_discovered()
        events = by_event(period, **only, event_id=event.pk if event else None)
        context = {
            "period": period,
            "n_days": n_days,
            "periods": PERIODS,
            "source": source,
            "event": event,
            "chart": chart(period, volumes(period, **only, event_id=event.pk if event else None)),
            "options": json.dumps({**CHART_OPTIONS, "scales": stacked(CHART_OPTIONS["scales"])}),
            "sources": by_source(period, **only),
            "events": [(figures, spark(figures.by_day)) for figures in events],
            "violations": shown_violations(
                worst_violations(period, **only, event=event.name if event else None), request
            ),
            "rejected_day": {7: "week", 30: "month"}.get(n_days, ""),  # as the list of rejected messages calls them
            "n_discovered_events": n_events,
            "n_discovered_attributes": n_attributes,
            "now": timezone.now(),
        }
        return self.page(request, "profiles/quality.html", _("Data quality"), context)

    def events_view(self, request: HttpRequest) -> HttpResponse:
        """The events behind a number: of one event and source, of one day or several, the latest written first."""
        if not has_perm(request, "profiles.view_event"):
            return HttpResponse(status=403)
        event = chosen(EventDefinition, request.GET.get("event", ""))
        source = chosen(Source, request.GET.get("source", ""))
        first = as_day(request.GET.get("since")) or timezone.localdate()
        last = as_day(request.GET.get("until")) or first
        rows = Event.objects.filter(occurred_at__gte=start_of(first), occurred_at__lt=end_of(last))
        rows = rows.filter(definition=event.pk) if event else rows
        rows = rows.filter(source=source.pk) if source else rows
        try:
            with transaction.atomic():
                set_local(statement_timeout=ROWS_TIMEOUT)
                page = keyset_page(rows, key="pk", after=request.GET.get("after", ""), size=N_ROWS, newest_first=True)
        except OperationalError as error:
            if not isinstance(error.__cause__, QueryCanceled):
                raise
            page = None
        context = {
            "event": event,
            "source": source,
            "first": first,
            "last": last,
            "page": page,
            "table": self.rows_of(request, page.rows) if page else [],
            "query": self.query_without_after(request),
        }
        return self.page(request, "profiles/quality_events.html", event.name if event else _("Events"), context)

    def query_without_after(self, request: HttpRequest) -> str:
        query = request.GET.copy()
        query.pop("after", None)
        return query.urlencode()

    def rows_of(self, request: HttpRequest, events: list[Event]) -> list[dict[str, Any]]:
        people = Profile.objects.in_bulk({event.profile_id for event in events})
        names = dict(
            EventDefinition.objects.filter(pk__in={event.definition_id for event in events}).values_list("pk", "name")
        )
        sources = dict(Source.objects.filter(pk__in={event.source_id for event in events}).values_list("pk", "name"))
        return [
            {
                "at": event.occurred_at,
                "name": names.get(event.definition_id, ""),
                "source": sources.get(event.source_id, ""),
                "person": person_link(people[event.profile_id], request.user) if event.profile_id in people else "-",
                "properties": json.dumps(
                    mask_event_properties(event.properties, request.user), ensure_ascii=False, indent=2
                ),
            }
            for event in events
        ]

    def page(self, request: HttpRequest, template: str, title: Any, context: dict[str, Any]) -> HttpResponse:
        shared = {**self.admin_site.each_context(request), "title": title, "opts": self.opts, "is_fullwidth": "1"}
        return TemplateResponse(request, template, {**shared, **context})


def problem_text(rule: Violation.Rule, problem: str) -> str:
    return in_words(problem) if problem else str(rule.label)


def shown_violations(violations: Iterable[dict[str, Any]], request: HttpRequest) -> list[dict[str, Any]]:
    """With `shown_event`, `shown_place` and `shown_problem`, as this user may see them."""
    sentence = masking_for(signed_in(request)).sentence
    return [
        each
        | {
            "shown_event": sentence(each["event"]),
            "shown_place": sentence(each["path"]),
            "shown_problem": sentence(problem_text(Violation.Rule(each["rule"]), each["problem"])),
        }
        for each in violations
    ]


def chosen(model: Any, written: str) -> Any:
    """The thing of this id; None where there is none."""
    is_id = written.isascii() and written.isdecimal() and len(written) < 10
    return model._default_manager.filter(pk=int(written)).first() if is_id else None


def chart(period: Period, by_source: dict[int, list[int]]) -> str:
    """Bars by day for Chart.js, one colour a source; empty without any event."""
    names = dict(Source.objects.filter(pk__in=by_source).order_by("pk").values_list("pk", "name"))
    datasets = [
        {"label": name, "data": by_source[pk], "backgroundColor": COLOURS[n % len(COLOURS)], "maxBarThickness": 24}
        for n, (pk, name) in enumerate(names.items())
    ]
    return json.dumps({"labels": [f"{day:%m-%d}" for day in period.days], "datasets": datasets}) if datasets else ""


def stacked(scales: Any) -> Any:
    return {axis: {**options, "stacked": True} for axis, options in scales.items()}


def spark(by_day: list[int]) -> SafeString:
    """A day a bar, 100 wide and 20 high."""
    top = max(by_day) or 1
    width = 100 / len(by_day)
    bars = [
        (f"{n * width:.2f}", f"{20 - 20 * count / top:.2f}", f"{max(width - 0.6, 0.5):.2f}", f"{20 * count / top:.2f}")
        for n, count in enumerate(by_day)
        if count
    ]
    inside = format_html_join("", '<rect x="{}" y="{}" width="{}" height="{}"/>', bars)
    return format_html(
        '<svg class="st-spark" viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true">{}</svg>', inside
    )
