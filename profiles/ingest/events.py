"""What people did, into its partitions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from cdp.copy import NULL, as_text, as_texts, copy_lines, json_as_text, times_as_texts
from cdp.rows import rows_as_json
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


def event_texts(messages: Collection[Message], definitions: Mapping[str, EventDefinition]) -> list[str]:
    """What the event of each message says, but for whose it is: the end of its line of COPY. Needs no lock."""
    ids = {name: str(definition.pk) for name, definition in definitions.items()}
    message_ids = as_texts(message.message_id for message in messages)
    times = times_as_texts(message.occurred_at for message in messages)
    promoting = {name: definition for name, definition in definitions.items() if definition.value_property}
    return [
        "\t".join(
            (
                time,
                ids[message.event],
                str(message.source_id),
                as_text(promoted_value(message.properties, promoting[message.event]))
                if message.event in promoting
                else NULL,
                json_as_text(message.properties),
                NULL if message.import_id is None else str(message.import_id),
                message_id if message.event == IDENTIFY_EVENT else NULL,
            )
        )
        for message, message_id, time in zip(messages, message_ids, times, strict=True)
    ]


def write_ahead(
    texts: Sequence[str], anchors: Mapping[int, Anchor], *, lacking: Collection[int]
) -> Mapping[int, Anchor]:
    """Write the events of messages whose anchors, by place, are foreseen. Returns those written: none where partitions
    are `lacking`, which are made under the identity lock.
    """
    if not anchors or lacking:
        return {}
    copy_events(texts, anchors)
    return anchors


def write_events(
    texts: Sequence[str],
    anchors: Sequence[Anchor],
    years: Collection[int],
    *,
    lacking: Collection[int],
    ahead: Mapping[int, Anchor],
) -> None:
    """One event a message, but for those written ahead: of these, bring those to their people that went to others."""
    if lacking:
        ensure_partitions(min(lacking), max(lacking))
    if len(ahead) < len(texts):
        copy_events(texts, {n: anchor for n, anchor in enumerate(anchors) if n not in ahead})
    move_events({(anchor, anchors[n]) for n, anchor in ahead.items() if anchor != anchors[n]}, years)


def copy_events(texts: Sequence[str], anchors: Mapping[int, Anchor]) -> None:
    """In one COPY."""
    copy_lines(
        Event._meta.db_table,
        COLUMNS,
        (f"{anchor.profile_id}\t{anchor.identifier_id}\t{texts[n]}" for n, anchor in anchors.items()),
    )


def move_events(moves: Collection[tuple[Anchor, Anchor]], years: Collection[int]) -> None:
    """From one anchor to another; nobody else's are there any more."""
    if not moves:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE profiles_event AS event SET profile_id = moved.to_id, anchor_id = moved.on_id
            FROM json_to_recordset(%s) AS moved(from_id bigint, off_id bigint, to_id bigint, on_id bigint)
            WHERE event.profile_id = moved.from_id AND event.anchor_id = moved.off_id
                AND event.occurred_at >= %s AND event.occurred_at < %s
            """,
            [
                rows_as_json(
                    {
                        "from_id": before.profile_id,
                        "off_id": before.identifier_id,
                        "to_id": after.profile_id,
                        "on_id": after.identifier_id,
                    }
                    for before, after in moves
                ),
                datetime(min(years), 1, 1, tzinfo=UTC),
                datetime(max(years) + 1, 1, 1, tzinfo=UTC),
            ],
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
