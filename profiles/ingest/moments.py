"""The dates and times of golden records in a table of their own, in which the clock of rules finds those that turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple

from django.db import connection

from cdp.rows import rows_as_json
from cdp.rules.days import business_day
from cdp.rules.slab import month_day
from profiles.models import AttributeDefinition, AttributeType, Profile

TYPES = (AttributeType.DATE, AttributeType.DATETIME)


class Moment(NamedTuple):
    """A row of the table."""

    profile_id: int
    definition_id: int
    at: datetime
    month_day: int


def write_moments(
    changed: Mapping[int, Mapping[str, Any]], definitions: Mapping[str, AttributeDefinition] | None = None
) -> None:
    """Follow golden records: by profile, the attributes that are others now, None where the value is gone.

    `definitions` are those of all these attributes at least, by key; None to load them, by one query.
    """
    if definitions is None:
        timed = load_definitions({key for values in changed.values() for key in values})
    else:
        timed = {key: (each.pk, each.type) for key, each in definitions.items() if each.type in TYPES}
    if not timed:
        return
    moments, gone = [], []
    for profile_id, values in changed.items():
        for key in values.keys() & timed.keys():
            definition_id, type_ = timed[key]
            found = read(values[key], type_)
            if found is None:
                gone.append((profile_id, definition_id))
            else:
                moments.append(Moment(profile_id, definition_id, *found))
    delete(gone)
    upsert(moments)


def index_moments(profile_ids: Sequence[int]) -> None:
    """Bring all rows of these profiles, which the caller has locked, to what their golden records say."""
    definitions = load_definitions()
    moments = [
        Moment(profile_id, definition_id, *found)
        for profile_id, attributes in Profile.objects.filter(pk__in=profile_ids).values_list("pk", "attributes")
        for key, (definition_id, type_) in definitions.items()
        if (found := read(attributes.get(key), type_)) is not None
    ]
    delete_others(profile_ids, moments)
    upsert(moments)


def load_definitions(keys: Iterable[str] | None = None) -> dict[str, tuple[int, str]]:
    """Ids and types of the attributes that are dates or times, by key; of all where no keys are given."""
    definitions = AttributeDefinition.objects.filter(type__in=TYPES)
    if keys is not None:
        definitions = definitions.filter(key__in=keys)
    return {key: (pk, type_) for key, pk, type_ in definitions.values_list("key", "pk", "type")}


def read(value: Any, type_: str) -> tuple[datetime, int] | None:
    """When it is, and its month and day; None for what is not stored as the type is, as before it was of this type."""
    if not isinstance(value, str):
        return None
    try:
        if type_ == AttributeType.DATE:
            day = date.fromisoformat(value)
            return datetime.combine(day, time.min, tzinfo=UTC), month_day(day)
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return None if at.tzinfo is None else (at.astimezone(UTC), month_day(business_day(at)))


def delete(gone: Sequence[tuple[int, int]]) -> None:
    """Profile and definition ids."""
    if gone:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                DELETE FROM profiles_profilemoment AS moment
                USING unnest(%s::bigint[], %s::bigint[]) AS gone (profile_id, definition_id)
                WHERE moment.profile_id = gone.profile_id AND moment.definition_id = gone.definition_id
                """,
                list(map(list, zip(*gone, strict=True))),
            )


def delete_others(profile_ids: Sequence[int], moments: Sequence[Moment]) -> None:
    """Delete what these profiles have beside `moments`."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM profiles_profilemoment AS moment
            WHERE moment.profile_id = ANY(%s) AND NOT EXISTS (
                SELECT 1
                FROM unnest(%s::bigint[], %s::bigint[]) AS kept (profile_id, definition_id)
                WHERE kept.profile_id = moment.profile_id AND kept.definition_id = moment.definition_id
            )
            """,
            [
                list(profile_ids),
                [moment.profile_id for moment in moments],
                [moment.definition_id for moment in moments],
            ],
        )


def upsert(moments: Sequence[Moment]) -> None:
    """Write rows where they are new or others now."""
    if moments:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO profiles_profilemoment AS known (profile_id, definition_id, at, month_day)
                SELECT profile_id, definition_id, at, month_day
                FROM json_to_recordset(%s)
                    AS moment (profile_id bigint, definition_id bigint, at timestamptz, month_day smallint)
                ON CONFLICT (profile_id, definition_id) DO UPDATE
                SET at = excluded.at, month_day = excluded.month_day
                WHERE (known.at, known.month_day) IS DISTINCT FROM (excluded.at, excluded.month_day)
                """,
                [rows_as_json(moment._asdict() for moment in moments)],
            )
