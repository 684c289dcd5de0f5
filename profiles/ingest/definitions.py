"""Definitions of what messages speak of; first sight makes one, marked discovered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import QuerySet

from profiles.ingest.coerce import guess_type, is_missing
from profiles.ingest.message import Message
from profiles.models import AttributeDefinition, AttributeType, EventDefinition


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
    if unknown := sorted(types.keys() - known.keys()):
        AttributeDefinition.objects.bulk_create(
            (
                AttributeDefinition(key=key, type=types[key] or AttributeType.TEXT, is_pii=True, is_discovered=True)
                for key in unknown
            ),
            ignore_conflicts=True,
        )
        known |= _attributes(unknown)
    return known


def event_definitions(names: Iterable[str]) -> dict[str, EventDefinition]:
    """The definitions of these events, by name."""
    names = set(names)
    known = _events(names)
    if unknown := sorted(names - known.keys()):
        EventDefinition.objects.bulk_create(
            (EventDefinition(name=name, is_discovered=True) for name in unknown), ignore_conflicts=True
        )
        known |= _events(unknown)
    return known


def _attributes(keys: Iterable[str]) -> dict[str, AttributeDefinition]:
    found: QuerySet[AttributeDefinition] = AttributeDefinition.objects.filter(key__in=list(keys))
    return {definition.key: definition for definition in found}


def _events(names: Iterable[str]) -> dict[str, EventDefinition]:
    found: QuerySet[EventDefinition] = EventDefinition.objects.filter(name__in=list(names))
    return {definition.name: definition for definition in found}
