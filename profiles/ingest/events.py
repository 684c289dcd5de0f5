"""What people did, into its partitions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from cdp.copy import NULL, as_text, copy_lines, json_as_text
from profiles.identity.resolve import Anchor
from profiles.ingest.coerce import MISFIT, coerce
from profiles.ingest.message import IDENTIFY_EVENT, Message
from profiles.ingest.partitions import ensure_partitions
from profiles.models import AttributeType, Event, EventDefinition

COLUMNS = [
    "profile_id",
    "anchor_id",
    "occurred_at",
    "definition_id",
    "source_id",
    "value",
    "properties",
    "import_id",
    "message_id",
]


def event_texts(messages: Iterable[Message], definitions: Mapping[str, EventDefinition]) -> list[str]:
    """What the event of each message says, but for whose it is: the end of its line of COPY. Needs no lock."""
    ids = {name: str(definition.pk) for name, definition in definitions.items()}
    promoting = {name: definition for name, definition in definitions.items() if definition.value_property}
    return [
        "\t".join(
            (
                message.occurred_at.isoformat(),
                ids[message.event],
                str(message.source_id),
                as_text(promoted_value(message.properties, promoting[message.event]))
                if message.event in promoting
                else NULL,
                json_as_text(message.properties),
                NULL if message.import_id is None else str(message.import_id),
                as_text(message.message_id) if message.event == IDENTIFY_EVENT else NULL,
            )
        )
        for message in messages
    ]


def write_events(texts: Sequence[str], anchors: Sequence[Anchor], years: Collection[int]) -> None:
    """One event a message, in one COPY."""
    ensure_partitions(min(years), max(years))
    copy_lines(
        Event._meta.db_table,
        COLUMNS,
        (f"{anchor.profile_id}\t{anchor.identifier_id}\t{text}" for anchor, text in zip(anchors, texts, strict=True)),
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
