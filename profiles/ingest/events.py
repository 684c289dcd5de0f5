"""What people did, into its partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from cdp.copy import copy_rows
from profiles.identity.resolve import Anchor
from profiles.ingest.coerce import MISFIT, coerce
from profiles.ingest.message import IDENTIFY_EVENT, Message
from profiles.ingest.partitions import ensure_partitions
from profiles.models import AttributeType, Event, EventDefinition

COLUMNS = [
    "occurred_at",
    "definition_id",
    "profile_id",
    "anchor_id",
    "source_id",
    "value",
    "properties",
    "import_id",
    "message_id",
]


def write_events(
    messages: Sequence[Message], anchors: Sequence[Anchor], definitions: Mapping[str, EventDefinition]
) -> int:
    """One event a message, in one COPY; returns how many."""
    years = {message.occurred_at.year for message in messages}
    ensure_partitions(min(years), max(years))
    return copy_rows(
        Event._meta.db_table,
        COLUMNS,
        (
            (
                message.occurred_at,
                definitions[message.event].pk,
                anchor.profile_id,
                anchor.identifier_id,
                message.source_id,
                promoted_value(message.properties, definitions[message.event]),
                orjson.dumps(message.properties).decode(),
                message.import_id,
                message.message_id if message.event == IDENTIFY_EVENT else None,
            )
            for message, anchor in zip(messages, anchors, strict=True)
        ),
    )


def promoted_value(properties: Mapping[str, Any], definition: EventDefinition) -> float | None:
    """The number that the definition names, with its sign; None where there is none.

    What counts negative does so however it is written: some shops send a refund of 40 as 40, some as -40.
    """
    if not definition.value_property:
        return None
    found: Any = properties
    for name in definition.value_property.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    number = coerce(found, AttributeType.NUMBER)
    if number is None or number is MISFIT:
        return None
    return -abs(float(number)) if definition.value_sign < 0 else float(number)
