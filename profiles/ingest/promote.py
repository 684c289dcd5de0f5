"""Values of events that were stored before their definition named the number that counts.

Events are walked in the order of their keys, which neither a merge nor a split changes; a chunk of them locks its
people, so that none of the events goes to somebody else meanwhile, and whoever else speaks of them waits no longer than
so few events take, however many a person has.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.db import connection, transaction

from profiles.ingest.events import promoted_value
from profiles.ingest.people import lock_found
from profiles.models import EventDefinition

CHUNK = 2_000  # events whose owners are locked at a time
KEYS_AT_ONCE = 50_000  # where so many events are of one moment, all of these are read for every so many keys


class Key(NamedTuple):
    """An event's, in the order of which they are walked."""

    occurred_at: datetime
    id: int


class Promoted(NamedTuple):
    """Of `n_events` looked at, `n_valued` have another value now."""

    n_events: int
    n_valued: int


class Valued(NamedTuple):
    """An event that gets a value."""

    key: Key
    value: float | None


def keys_after(definition: EventDefinition, last: Key | None, *, limit: int = KEYS_AT_ONCE) -> list[Key]:
    """The next `limit` events of the definition, in order; `last` None: from the first. Nothing is locked."""
    past = (
        "" if last is None else "AND occurred_at >= %(occurred_at)s AND (occurred_at, id) > (%(occurred_at)s, %(id)s)"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT occurred_at, id
            FROM profiles_event
            WHERE definition_id = %(definition)s {past}
            ORDER BY occurred_at, id
            LIMIT %(limit)s
            """,  # noqa: S608 - one of two constants
            {"definition": definition.pk, "limit": limit, **(last._asdict() if last else {})},
        )
        return [Key(*row) for row in cursor.fetchall()]


@transaction.atomic
def promote_chunk(definition: EventDefinition, keys: Sequence[Key]) -> Promoted:
    """Give those of these events that there still are the value that messages would get now, in one transaction."""
    lock_found(lambda: owners_of(keys))
    events = stored_events(keys)
    valued = [
        Valued(key, value)
        for key, properties, before in events
        if (value := promoted_value(orjson.loads(properties), definition)) != before
    ]
    write_values(valued)
    return Promoted(len(events), len(valued))


def owners_of(keys: Sequence[Key]) -> set[int]:
    """The ids of the profiles whose events these are, as it is now."""
    return {profile_id for (profile_id,) in read_events("event.profile_id", keys)}


def stored_events(keys: Sequence[Key]) -> list[tuple[Key, Any, float | None]]:
    """Key, properties and value of these events."""
    rows = read_events("event.occurred_at, event.id, event.properties, event.value", keys)
    return [(Key(occurred_at, pk), properties, value) for occurred_at, pk, properties, value in rows]


def read_events(columns: str, keys: Sequence[Key]) -> list[tuple[Any, ...]]:
    """Those of these events that there are."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT {columns}
            FROM unnest(%s::bigint[], %s::timestamptz[]) AS key(id, occurred_at)
            JOIN profiles_event AS event ON event.id = key.id AND event.occurred_at = key.occurred_at
                AND event.occurred_at BETWEEN %s AND %s
            """,  # noqa: S608 - columns of our own
            [[key.id for key in keys], [key.occurred_at for key in keys], min(keys)[0], max(keys)[0]],
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def write_values(valued: Sequence[Valued]) -> None:
    if not valued:
        return
    times = [each.key.occurred_at for each in valued]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE profiles_event AS event SET value = made.value
            FROM unnest(%s::bigint[], %s::timestamptz[], %s::float8[]) AS made(id, occurred_at, value)
            WHERE event.id = made.id AND event.occurred_at = made.occurred_at
                AND event.occurred_at BETWEEN %s AND %s
            """,
            [[each.key.id for each in valued], times, [each.value for each in valued], min(times), max(times)],
        )
