"""A person's events, newest first, a page at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cdp.values import in_words
from profiles.ingest.message import IDENTIFY_EVENT
from profiles.masking import mask_event_properties
from profiles.models import Consent, Event, Profile
from profiles.templatetags.profile_values import channel_label

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
    plain = [(key, shown(value)) for key, value in properties.items() if isinstance(value, str | int | float)]
    if event.definition.name == IDENTIFY_EVENT:
        plain = [*consents_in_words(properties.get("consents")), *plain]
    return Moment(
        at=event.occurred_at,
        name=str(BUILT_IN_NAMES.get(event.definition.name, event.definition.name)),
        source=event.source.name,
        value=event.value,
        summary=plain[:4],
        details=json.dumps(properties, ensure_ascii=False, indent=2) if properties else "",
    )


def shown(value: str | float) -> str | float:
    """Times are those of the business zone, as among the attributes beside it; numbers stay numbers."""
    return in_words(value) if isinstance(value, str | bool) else value


def consents_in_words(consents: Any) -> list[tuple[str, str]]:
    """What somebody has said by channel; what is no word of consent, as it came."""
    if not isinstance(consents, dict):
        return []
    states = dict(Consent.State.choices)
    return [(channel_label(channel), str(states.get(str(said), in_words(said)))) for channel, said in consents.items()]
