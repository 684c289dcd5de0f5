"""The figures of the page on data quality, all from counters: a few queries, however many events there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Max, QuerySet, Sum

from profiles.models import (
    AttributeDefinition,
    EventDay,
    EventDefinition,
    Import,
    KindDay,
    Source,
    SourceDay,
    Violation,
)
from profiles.models.source import COUNTERS

MAX_EVENTS = 100  # rows of the page; the rest is reached by a source's filter
MAX_VIOLATIONS = 20


@dataclass(frozen=True)
class Period:
    """Business days, both ends included."""

    first: date
    last: date

    @classmethod
    def until(cls, today: date, *, n_days: int) -> Period:
        return cls(today - timedelta(days=n_days - 1), today)

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


@dataclass
class SourceFigures:
    """What came of one source: counters of the days in which its messages were processed, and the share of its events
    whose message carried each kind of identifier, by label, in percent. `n_happened` are the events of the period.
    `has_refused_rows`: some of what it rejected are rows of files, which stand with their imports.
    """

    source: Source
    counts: dict[str, int] = field(default_factory=dict)
    shares: list[tuple[str, str, float]] = field(default_factory=list)
    last_at: datetime | None = None
    n_happened: int = 0
    n_violations: int = 0
    has_refused_rows: bool = False


@dataclass
class EventFigures:
    """What came of one event: how many by day in which they happened, and when the last one was received."""

    definition: EventDefinition
    by_day: list[int]
    n_events: int
    last_at: datetime
    n_violations: int = 0


def of_period(rows: QuerySet[Any], period: Period, source_id: int | None) -> QuerySet[Any]:
    rows = rows.filter(day__range=(period.first, period.last)).order_by()
    return rows if source_id is None else rows.filter(source=source_id)


def by_source(period: Period, *, source_id: int | None = None) -> list[SourceFigures]:
    """All sources but Strata's own, by name; seven queries."""
    sources = Source.objects.exclude(kind=Source.Kind.BUILT_IN).order_by("name")
    sources = sources if source_id is None else sources.filter(pk=source_id)
    figures = {source.pk: SourceFigures(source, dict.fromkeys(COUNTERS, 0)) for source in sources}
    counted = of_period(SourceDay.objects.all(), period, source_id).values_list("source").annotate(*map(Sum, COUNTERS))
    for pk, *sums in counted:
        if pk in figures:
            figures[pk].counts = dict(zip(COUNTERS, sums, strict=True))
    kinds = of_period(KindDay.objects.all(), period, source_id).values_list("source", "kind__key", "kind__label")
    for pk, key, label, n in kinds.annotate(n=Sum("n_messages")).order_by("kind__priority"):
        if pk in figures and figures[pk].counts["n_events"]:
            figures[pk].shares.append((key, label, n * 100 / figures[pk].counts["n_events"]))
    last = EventDay.objects.all() if source_id is None else EventDay.objects.filter(source=source_id)
    for pk, at in last.order_by().values_list("source").annotate(Max("last_at")):
        if pk in figures:
            figures[pk].last_at = at
    happened = of_period(EventDay.objects.all(), period, source_id)
    for pk, n in happened.values_list("source").annotate(Sum("n_events")):
        if pk in figures:
            figures[pk].n_happened = n
    flagged = of_period(Violation.objects.all(), period, source_id)
    for pk, n in flagged.values_list("source").annotate(Sum("n_messages")):
        if pk in figures:
            figures[pk].n_violations = n
    for pk in Import.objects.filter(counts__refused__gt=0).order_by().values_list("source", flat=True).distinct():
        if pk in figures:
            figures[pk].has_refused_rows = True
    return list(figures.values())


def by_event(period: Period, *, source_id: int | None = None, event_id: int | None = None) -> list[EventFigures]:
    """The MAX_EVENTS events of the period with the highest numbers; four queries."""
    rows = of_period(EventDay.objects.all(), period, source_id)
    rows = rows if event_id is None else rows.filter(definition=event_id)
    most = rows.values_list("definition").annotate(n=Sum("n_events"), last=Max("last_at")).order_by("-n", "definition")
    found = {pk: (n, last) for pk, n, last in most[:MAX_EVENTS]}
    by_day: dict[int, dict[date, int]] = defaultdict(dict)
    for pk, day, n in rows.filter(definition__in=found).values_list("definition", "day").annotate(n=Sum("n_events")):
        by_day[pk][day] = n
    definitions = EventDefinition.objects.in_bulk(found)
    flagged = of_period(Violation.objects.all(), period, source_id).values_list("event").annotate(Sum("n_messages"))
    n_violations = dict(flagged)
    return [
        EventFigures(
            definition=definitions[pk],
            by_day=[by_day[pk].get(day, 0) for day in period.days],
            n_events=n,
            last_at=last,
            n_violations=n_violations.get(definitions[pk].name, 0),
        )
        for pk, (n, last) in found.items()
    ]


def volumes(period: Period, *, source_id: int | None = None, event_id: int | None = None) -> dict[int, list[int]]:
    """Events of each day, by source id."""
    rows = of_period(EventDay.objects.all(), period, source_id)
    rows = rows if event_id is None else rows.filter(definition=event_id)
    counted: dict[int, dict[date, int]] = defaultdict(dict)
    for pk, day, n in rows.values_list("source", "day").annotate(n=Sum("n_events")):
        counted[pk][day] = n
    return {pk: [by_day.get(day, 0) for day in period.days] for pk, by_day in counted.items()}


def worst_violations(
    period: Period, *, source_id: int | None = None, event: str | None = None
) -> Sequence[dict[str, Any]]:
    """The places that break the plan most, over all days of the period."""
    rows = of_period(Violation.objects.all(), period, source_id)
    rows = rows if event is None else rows.filter(event=event)
    named = rows.values("source", "source__name", "event", "rule", "path", "problem")
    return list(
        named.annotate(n=Sum("n_messages"), last=Max("last_at")).order_by("-n", "event", "path")[:MAX_VIOLATIONS]
    )


def count_discovered() -> tuple[int, int]:
    """Events and attributes that nobody has planned."""
    models = (EventDefinition, AttributeDefinition)
    events, attributes = (model._default_manager.filter(is_discovered=True).count() for model in models)
    return events, attributes
