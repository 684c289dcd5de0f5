"""Cards of who: how many people we know, and what they did these days."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, time, timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Count
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg import sql

from cdp.cards import Card, register_card
from cdp.local_settings import set_local
from cdp.models import Run
from cdp.sampling import Sampled, count_sampled
from profiles.models import (
    DuplicateSuggestion,
    Event,
    EventDefinition,
    IdentifierKind,
    IdentityConflict,
    RejectedMessage,
    Source,
)
from profiles.people_urls import people_url
from profiles.services.backlog import inbox, queue
from profiles.services.duplicates.search import FIND_DUPLICATES

N_DAYS = 30
COUNT_TIMEOUT = "3s"
MAX_COUNTED = 1_000  # open conflicts
GREY = "#9ca3af"  # reads on white and on dark
CHART_OPTIONS = {
    "animation": False,
    "maintainAspectRatio": False,
    "plugins": {"legend": {"display": False}},
    "scales": {
        "x": {"grid": {"display": False}, "ticks": {"color": GREY, "maxRotation": 0, "autoSkipPadding": 16}},
        "y": {"beginAtZero": True, "border": {"display": False}, "ticks": {"color": GREY, "precision": 0}},
    },
}


def count_people() -> Sampled:
    """People, and those of them with an identifier of a personal kind."""
    personal = list(IdentifierKind.objects.filter(is_personal=True).values_list("pk", flat=True))
    # The sum keeps the index of kinds out: during a first import, of which no statistics are taken yet, PostgreSQL
    # read all of it for each person, and the dashboard took two minutes beside 16,000 people.
    known = (
        "count(*) FILTER (WHERE EXISTS (SELECT 1 FROM profiles_identifier AS i "
        "WHERE i.profile_id = t.id AND i.kind_id + 0 = ANY(%(personal)s)))"
    )
    return count_sampled(
        "profiles_profile",
        counted=sql.SQL("count(*), " + known),
        where=sql.SQL("t.merged_into_id IS NULL AND t.erased_at IS NULL"),
        params={"personal": personal},
    )


def people_by_knowing(is_known: bool) -> str:
    """The list of known people, or of anonymous visitors."""
    return people_url({"op": "attribute", "key": "is_known", "is": "eq", "value": is_known})


def load_people(request: HttpRequest) -> dict[str, Any]:
    """Totals, exact for small tables."""
    people = count_people()
    total, known = people.counts
    return {
        "total": total,
        "known": known,
        "anonymous": total - known,
        "percent": round(known * 100 / total) if total else 0,
        "known_url": people_by_knowing(True),
        "anonymous_url": people_by_knowing(False),
        "is_exact": people.is_exact,
        "n_sources": Source.objects.exclude(kind=Source.Kind.BUILT_IN).count(),
    }


def count_events_by_day(now: datetime) -> dict[str, int] | None:
    """Events of each of the last `N_DAYS` business days, oldest first; None where counting took too long.

    By index alone: one range for each definition. 30 days of a table of 20M events take 0.2 s.
    """
    today = timezone.localtime(now).date()
    days = [today - timedelta(days=back) for back in range(N_DAYS - 1, -1, -1)]
    since = timezone.make_aware(datetime.combine(days[0], time.min))
    definitions = list(EventDefinition.objects.values_list("pk", flat=True))
    events = Event.objects.filter(definition__in=definitions, occurred_at__gte=since, occurred_at__lte=now)
    by_day = events.annotate(day=TruncDate("occurred_at")).values_list("day").annotate(n=Count("*")).order_by()
    try:
        with transaction.atomic():
            set_local(statement_timeout=COUNT_TIMEOUT)
            counted = dict(by_day)
    except DatabaseError:
        return None
    return {day.isoformat(): counted.get(day, 0) for day in days}


def load_events(request: HttpRequest) -> dict[str, Any]:
    """Bars by day for Chart.js."""
    by_day = count_events_by_day(timezone.now())
    if by_day is None:
        return {"too_many": True}
    chart = {
        "labels": [day[5:] for day in by_day],
        "datasets": [
            {
                "label": _("Events"),
                "data": list(by_day.values()),
                "backgroundColor": "var(--color-primary-500)",
                "borderRadius": 3,
                "maxBarThickness": 24,
            }
        ],
    }
    return {
        "total": sum(by_day.values()),
        "chart": json.dumps(chart),
        "options": json.dumps(CHART_OPTIONS),
        "n_days": N_DAYS,
    }


def load_conflicts(request: HttpRequest) -> dict[str, Any]:
    """How many conflicts are open, up to `MAX_COUNTED`, and the kinds whose limits bind most."""
    counted = IdentityConflict.objects.open().order_by("-pk")[: MAX_COUNTED + 1].values_list("kind__label", flat=True)
    by_kind = Counter(counted)
    n_open = sum(by_kind.values())
    return {
        "n_open": min(n_open, MAX_COUNTED),
        "is_more": n_open > MAX_COUNTED,
        "by_kind": [(_(label) if label else _("Separation"), n) for label, n in by_kind.most_common(5)],
    }


def load_backlog(request: HttpRequest) -> dict[str, Any]:
    """What waits to be processed and judged."""
    now = timezone.now()
    return {"inbox": inbox(now=now), "queue": queue(now=now), "n_rejected": RejectedMessage.objects.count()}


register_card(
    Card(
        key="backlog",
        order=30,
        template="profiles/cards/backlog.html",
        permission="profiles.view_event",
        load=load_backlog,
    )
)
register_card(
    Card(
        key="people",
        order=10,
        template="profiles/cards/people.html",
        permission="profiles.view_profile",
        load=load_people,
    )
)
register_card(
    Card(
        key="events",
        order=20,
        template="profiles/cards/events.html",
        permission="profiles.view_event",
        load=load_events,
    )
)


def load_duplicates(request: HttpRequest) -> dict[str, Any]:
    """How many pairs wait for review, and when they were last searched for; a search keeps at most 100,000."""
    searched = Run.objects.filter(kind=FIND_DUPLICATES, state=Run.State.SUCCEEDED).order_by("-id")
    return {
        "n_open": DuplicateSuggestion.objects.open().count(),
        "searched_at": searched.values_list("ended_at", flat=True).first(),
    }


register_card(
    Card(
        key="duplicates",
        order=55,
        template="profiles/cards/duplicates.html",
        permission="profiles.view_duplicatesuggestion",
        load=load_duplicates,
    )
)
register_card(
    Card(
        key="conflicts",
        order=50,
        template="profiles/cards/conflicts.html",
        permission="profiles.view_identityconflict",
        load=load_conflicts,
    )
)
