"""Definitions of what messages speak of; first sight makes one, marked discovered.

So many and no more: a client that makes names of ids would fill every list and rule with them. Two workers at once may
each fill the last places.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from django.conf import settings
from django.db.models import QuerySet

from profiles.ingest.coerce import guess_type, is_missing
from profiles.ingest.message import Message
from profiles.models import AttributeDefinition, AttributeType, EventDefinition

logger = logging.getLogger(__name__)


def attribute_definitions(messages: Sequence[Message]) -> dict[str, AttributeDefinition]:
    """The definitions of all traits of `messages`, by key. An unknown one gets the type of its first value.

    It counts as personal until somebody clears it: nobody has looked at it yet.
    """
    types: dict[str, AttributeType | None] = {}
    for message in messages:
        for key, value in message.traits.items():
            if types.get(key) is None:
                types[key] = None if is_missing(value) else guess_type(value)
    known = _attributes(types)
    unknown = sorted(types.keys() - known.keys())
    if unknown := fitting(unknown, AttributeDefinition, settings.MAX_DISCOVERED_ATTRIBUTES):
        AttributeDefinition.objects.bulk_create(
            (
                AttributeDefinition(key=key, type=types[key] or AttributeType.TEXT, is_pii=True, is_discovered=True)
                for key in unknown
            ),
            ignore_conflicts=True,
        )
        known |= _attributes(unknown)
    return known


def event_definitions(names: Iterable[str], *, values: Mapping[str, str] | None = None) -> dict[str, EventDefinition]:
    """The definitions of these events, by name; unknown ones beyond `settings.MAX_DISCOVERED_EVENTS` are left out.

    `values`: of events by name, the property that counts where the definition is made now.
    """
    names, values = set(names), values or {}
    known = _events(names)
    if unknown := fitting(sorted(names - known.keys()), EventDefinition, settings.MAX_DISCOVERED_EVENTS):
        EventDefinition.objects.bulk_create(
            (EventDefinition(name=name, is_discovered=True, value_property=values.get(name, "")) for name in unknown),
            ignore_conflicts=True,
        )
        known |= _events(unknown)
    return known


def fitting(unknown: list[str], model: type[AttributeDefinition | EventDefinition], max_discovered: int) -> list[str]:
    """The first of `unknown`, as many as there is room for."""
    if not unknown:
        return []
    room = max(0, max_discovered - model._default_manager.filter(is_discovered=True).count())
    if len(unknown) > room:
        logger.warning("No room for %s new %s", len(unknown) - room, model._meta.verbose_name_plural)
    return unknown[:room]


def _attributes(keys: Iterable[str]) -> dict[str, AttributeDefinition]:
    found: QuerySet[AttributeDefinition] = AttributeDefinition.objects.filter(key__in=list(keys))
    return {definition.key: definition for definition in found}


def _events(names: Iterable[str]) -> dict[str, EventDefinition]:
    found: QuerySet[EventDefinition] = EventDefinition.objects.filter(name__in=list(names))
    return {definition.name: definition for definition in found}
