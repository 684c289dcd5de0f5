"""A person's events, newest first, a page at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from profiles.masking import mask_event_properties
from profiles.models import Event, Profile

PAGE_SIZE = 25
BUILT_IN_NAMES = {
    "$identify": _("Told us about themselves"),
    "$group": _("Was put into a group"),
    "$alias": _("Was given another id"),
}


@dataclass(frozen=True)
class Moment:
    """One event as the timeline shows it; `summary` are a few plain properties, `details` all as JSON text."""

    at: datetime
    name: str
    source: str
    value: float | None
    summary: list[tuple[str, Any]]
    details: str


def timeline_context(request: HttpRequest, profile: Profile, *, before: str = "") -> dict[str, Any]:
    """A page of the timeline; `before` is the `next_before` of the page above it."""
    events = Event.objects.filter(profile=profile).select_related("definition", "source")
    cursor = parse_cursor(before)
    if cursor is not None:
        at, pk = cursor
        events = events.filter(Q(occurred_at__lt=at) | Q(occurred_at=at, pk__lt=pk), occurred_at__lte=at)
    found = list(events.order_by("-occurred_at", "-pk")[: PAGE_SIZE + 1])
    page = found[:PAGE_SIZE]
    return {
        "profile": profile,
        "moments": [moment_of(event, request.user) for event in page],
        "next_before": f"{page[-1].occurred_at.isoformat()}|{page[-1].pk}" if len(found) > PAGE_SIZE else "",
    }


def parse_cursor(before: str) -> tuple[datetime, int] | None:
    """Time and id of the last event that was shown; None for the first page and for anything else."""
    time, _bar, pk = before.partition("|")
    try:
        return datetime.fromisoformat(time), int(pk)
    except ValueError:
        return None


def moment_of(event: Event, user: Any) -> Moment:
    properties = mask_event_properties(event.properties, user)
    plain = [(key, value) for key, value in properties.items() if isinstance(value, str | int | float)]
    return Moment(
        at=event.occurred_at,
        name=str(BUILT_IN_NAMES.get(event.definition.name, event.definition.name)),
        source=event.source.name,
        value=event.value,
        summary=plain[:4],
        details=json.dumps(properties, ensure_ascii=False, indent=2) if properties else "",
    )
