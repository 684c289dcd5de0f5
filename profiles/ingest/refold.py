"""Folding again: after a change of survivorship, type or rank, everybody gets the golden record that they would have,
had it been so from the start.

What contributions do not hold is read anew from the `$identify` events, which keep traits as they were sent. Every
batch of messages shares the lock DEFINITIONS from before it reads definitions and sources until its commit;
`wait_for_batches` waits for those that read the old ones. Then people are locked and folded a chunk at a time: a batch
of messages that speaks of them waits, all others go on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.db import connection, transaction
from django.db.models.functions import Coalesce

from cdp.locks import advisory_lock, shared_lock
from cdp.rules.scope import Scope
from profiles.identity.kinds import load_kinds
from profiles.ingest.contributions import Slot, stored
from profiles.ingest.message import IDENTIFY_EVENT
from profiles.ingest.moments import index_moments
from profiles.ingest.people import lock_found
from profiles.ingest.records import fold_into_profiles
from profiles.ingest.survivorship import Kept, Policy, Said, policy_of
from profiles.ingest.traits import attributes_of
from profiles.models import AttributeDefinition, EventDefinition, IdentifierKind, Profile, Source

DEFINITIONS = "definitions"
CHUNK = 500  # people locked at a time
EVENTS_AT_ONCE = 2_000


class Refolded(NamedTuple):
    """`last_id` is where the next chunk begins, None when there is nobody left; `keys` are the attributes that changed,
    for `n_changed` people of `n_profiles`.
    """

    last_id: int | None
    n_profiles: int = 0
    n_changed: int = 0
    keys: frozenset[str] = frozenset()


class Row(NamedTuple):
    """A contribution to write."""

    slot: Slot
    last: Said
    kept: Kept | None


def share_definitions() -> None:
    """To be called first in a transaction that reads definitions or sources and writes contributions by them."""
    shared_lock(DEFINITIONS)


def wait_for_batches() -> None:
    """Return once everybody who read definitions or sources before this call has committed."""
    with transaction.atomic():
        advisory_lock(DEFINITIONS)


@transaction.atomic
def refold_chunk(after: int, *, rebuild: str | None = None, limit: int = CHUNK) -> Refolded:
    """Fold the next people by id after `after` again, in one transaction.

    `rebuild` is the key of an attribute whose contributions are made anew from what was sent.
    """
    share_definitions()
    kinds = load_kinds()
    rows = next_profiles(after, limit)
    if not rows:
        return Refolded(None)
    people = lock_found(lambda: people_of(rows))  # a part that was merged away hangs on somebody else
    definition = AttributeDefinition.objects.filter(key=rebuild).first() if rebuild is not None else None
    if definition is not None:
        write_rows(rebuilt(definition, sorted(people), kinds=kinds))
    changed = fold_into_profiles(people)
    if rebuild is not None:
        index_moments(sorted(people))  # the same value is of another type now
    keys = frozenset(key for keys in changed.values() for key in keys)
    return Refolded(max(rows), len(people.intersection(rows)), len(changed), keys)


def next_profiles(after: int, limit: int) -> list[int]:
    """The ids of the next profiles, also of those that were merged away: their part may hang on somebody who was folded
    before, and who is folded again with it.
    """
    following = Profile.objects.filter(pk__gt=after, erased_at__isnull=True).order_by("pk")
    return list(following.values_list("pk", flat=True)[:limit])


def people_of(profile_ids: Sequence[int]) -> set[int]:
    """The ids of those whom these profiles are part of now."""
    profiles = Profile.objects.filter(Scope(profile_ids).on("pk"))
    return set(profiles.values_list(Coalesce("merged_into_id", "pk"), flat=True))


def rebuilt(
    definition: AttributeDefinition, profile_ids: Sequence[int], *, kinds: Mapping[str, IdentifierKind]
) -> list[Row]:
    """The contributions to one attribute that all messages of these people make, as the definition is now.

    Of a slot without any event, such as one of a computed value, the last value is coerced as it is stored.
    """
    policy = policy_of(definition.survivorship, definition.type)
    regions = dict(Source.objects.values_list("pk", "default_region"))
    known = load_contributions(definition, profile_ids)
    rows: dict[Slot, Row] = {}
    for slot, occurred_at, message_id, value in said_in_events(definition, profile_ids):
        if message_id is None:  # of before ids were kept with events
            message_id = known[slot].message_id if slot in known and known[slot].occurred_at == occurred_at else ""
        said = Said(occurred_at, message_id, *stored(value, definition, kinds, regions[slot[1]]))
        rows[slot] = with_one_more(rows.get(slot), slot, said, policy)
    for slot in known.keys() - rows.keys():
        at, message_id, value, _fits = known[slot]
        said = Said(at, message_id, *stored(value, definition, kinds, regions[slot[1]]))
        rows[slot] = with_one_more(None, slot, said, policy)
    return list(rows.values())


def with_one_more(row: Row | None, slot: Slot, said: Said, policy: Policy | None) -> Row:
    """The row of a slot after one more value."""
    last = said if row is None or said[:2] >= row.last[:2] else row.last
    return Row(slot, last, policy.keep(row and row.kept, said) if policy else None)


def load_contributions(definition: AttributeDefinition, profile_ids: Sequence[int]) -> dict[Slot, Said]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT contribution.anchor_id, contribution.source_id, contribution.definition_id,
                contribution.occurred_at, contribution.message_id, contribution.value, contribution.fits
            FROM profiles_identifier AS identifier
            JOIN profiles_contribution AS contribution ON contribution.anchor_id = identifier.id
            WHERE identifier.profile_id = ANY(%s) AND contribution.definition_id = %s
            """,
            [list(profile_ids), definition.pk],
        )
        return {
            (anchor_id, source_id, definition_id): Said(at, message_id, orjson.loads(value), fits)
            for anchor_id, source_id, definition_id, at, message_id, value, fits in cursor.fetchall()
        }


def said_in_events(
    definition: AttributeDefinition, profile_ids: Sequence[int]
) -> Iterator[tuple[Slot, datetime, str | None, Any]]:
    """What identify messages said of the attribute, as it was sent, in the order of processing; read in pieces."""
    identify = EventDefinition.objects.only("pk").get(name=IDENTIFY_EVENT)
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            """
            SELECT anchor_id, source_id, occurred_at, message_id, properties
            FROM profiles_event
            WHERE profile_id = ANY(%s) AND definition_id = %s
            ORDER BY id
            """,
            [list(profile_ids), identify.pk],
        )
        while rows := cursor.fetchmany(EVENTS_AT_ONCE):
            for anchor_id, source_id, occurred_at, message_id, properties in rows:
                traits, _n_odd = attributes_of(orjson.loads(properties))
                if definition.key in traits:
                    yield (anchor_id, source_id, definition.pk), occurred_at, message_id, traits[definition.key]


def write_rows(rows: Collection[Row]) -> None:
    """Write contributions whole, where they are others now."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_contribution AS known
                (anchor_id, source_id, definition_id, value, fits, occurred_at, message_id, kept)
            SELECT made.anchor_id, made.source_id, made.definition_id, made.value::jsonb, made.fits,
                made.occurred_at, made.message_id, made.kept::jsonb
            FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::boolean[], %s::timestamptz[],
                %s::text[], %s::text[])
                AS made(anchor_id, source_id, definition_id, value, fits, occurred_at, message_id, kept)
            ON CONFLICT (anchor_id, source_id, definition_id) DO UPDATE SET
                value = EXCLUDED.value,
                fits = EXCLUDED.fits,
                occurred_at = EXCLUDED.occurred_at,
                message_id = EXCLUDED.message_id,
                kept = EXCLUDED.kept
            WHERE (known.value, known.fits, known.occurred_at, known.message_id, known.kept) IS DISTINCT FROM
                (EXCLUDED.value, EXCLUDED.fits, EXCLUDED.occurred_at, EXCLUDED.message_id, EXCLUDED.kept)
            """,
            [
                *([row.slot[place] for row in rows] for place in range(3)),
                [orjson.dumps(row.last.value).decode() for row in rows],
                [row.last.fits for row in rows],
                [row.last.occurred_at for row in rows],
                [row.last.message_id for row in rows],
                [None if row.kept is None else orjson.dumps(row.kept).decode() for row in rows],
            ],
        )
