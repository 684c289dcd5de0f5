"""What each source last said of each attribute; records.py folds the golden record from it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

import orjson
from django.db import connection

from cdp.copy import as_texts, copy_lines, json_as_texts, time_as_text
from cdp.rows import rows_as_json
from profiles.identity.normalise import normalise
from profiles.identity.resolve import Anchor
from profiles.ingest.coerce import MISFIT, coerce, is_missing, is_same
from profiles.ingest.message import Message
from profiles.ingest.survivorship import Kept, Policy, Said, kept_by, policy_of
from profiles.models import AttributeDefinition, AttributeType, Contribution, IdentifierKind, Source, Survivorship

# Attributes that are identifiers as well: what is no email must not reach the golden record as one.
IDENTIFIER_ATTRIBUTES = ("email", "phone")
ROWS_AT_ONCE = 10_000  # of contributions: a batch of messages with thousands of traits each has some hundred thousand


LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)

Slot = tuple[int, int, int]  # ids of anchor, source and definition


class Written(NamedTuple):
    """What a batch wrote: `said` is, of each profile that was there, what it says by key (`said_of`), and `since` the
    first time of these values; by slot, `latest` are the last values that it said, and `kept` what slots keep beside
    these.
    """

    said: dict[int, dict[str, Any]]
    since: dict[int, datetime]
    latest: dict[Slot, Said]
    kept: dict[Slot, Kept | None]


class Misfit(NamedTuple):
    """A value that a message said and that cannot be the attribute's."""

    message: Message
    definition: AttributeDefinition
    value: Any


Sayings = list[tuple[int, Said]]  # what one message says, by id of the definition


def sayings_of(
    messages: Iterable[Message],
    definitions: Mapping[str, AttributeDefinition],
    *,
    sources: Mapping[int, Source],
    kinds: Mapping[str, IdentifierKind],
) -> tuple[list[Sayings], list[Misfit]]:
    """What each message says of attributes, and the values that do not fit. Needs no lock.

    A trait without a definition stays in its event alone.
    """
    ids = {key: definition.pk for key, definition in definitions.items()}  # Django takes a microsecond to tell a pk
    plain = {key for key, each in definitions.items() if takes_any_text(each)}  # most: of these a text is what it is
    sayings: list[Sayings] = []
    misfits: list[Misfit] = []
    for message in messages:
        said_by_message: Sayings = []
        for key, value in message.traits.items():
            if key in plain and type(value) is str and value:
                said = Said(message.occurred_at, message.message_id, value, True)
            elif key in ids:
                region = sources[message.source_id].default_region
                said = Said(message.occurred_at, message.message_id, *stored(value, definitions[key], kinds, region))
                if not said.fits:
                    misfits.append(Misfit(message, definitions[key], value))
            else:
                continue
            said_by_message.append((ids[key], said))
        sayings.append(said_by_message)
    return sayings, misfits


def write_contributions(
    messages: Sequence[Message],
    anchors: Sequence[Anchor],
    sayings: Sequence[Sayings],
    definitions: Collection[AttributeDefinition],
    *,
    created: Collection[int],
) -> Written:
    """Keep the latest value of each anchor, source and attribute, and what its survivorship needs beside it.

    `created` are the profiles that the batch made.
    """
    policies = {
        each.pk: policy for each in definitions if (policy := policy_of(each.survivorship, each.type)) is not None
    }
    latest: dict[Slot, Said] = {}
    asked: dict[Slot, list[Said]] = {}  # of definitions that ask for more than the last value
    for message, anchor, said_by_message in zip(messages, anchors, sayings, strict=True):
        for definition_id, said in said_by_message:
            slot = (anchor.identifier_id, message.source_id, definition_id)
            other = latest.get(slot)
            if other is None or said[:2] > other[:2]:
                latest[slot] = said
            if definition_id in policies:
                asked.setdefault(slot, []).append(said)
    kept = keep(asked, policies) if asked else {}
    write_latest(latest, new={anchor.identifier_id for anchor in anchors if anchor.profile_id in created})
    if kept:
        write_kept(kept)
    owners = {identifier_id: profile_id for identifier_id, profile_id in anchors if profile_id not in created}
    return Written(*said_of(latest, owners, definitions, policies), latest, kept)


def said_of(
    latest: Mapping[Slot, Said],
    owners: Mapping[int, int],
    definitions: Collection[AttributeDefinition],
    policies: Collection[int],
) -> tuple[dict[int, dict[str, Any]], dict[int, datetime]]:
    """By profile and key, the one value that was said; MISFIT where that is more than one, or a fold alone can tell.
    And by profile the first time of these, LONG_AGO where the ranks of sources may tell.

    `owners` are the profiles by anchor.
    """
    keys = {each.pk: each.key for each in definitions}
    ranked = {each.pk for each in definitions if each.survivorship == Survivorship.SOURCE_RANK}
    found: dict[int, dict[str, Any]] = {}
    since: dict[int, datetime] = {}
    for (anchor_id, _source_id, definition_id), said in latest.items():
        if anchor_id not in owners:
            continue
        owner = owners[anchor_id]
        value = said.value if said.fits and definition_id not in policies else MISFIT
        values = found.setdefault(owner, {})
        if not is_same(values.setdefault(keys[definition_id], value), value):
            values[keys[definition_id]] = MISFIT
        at = LONG_AGO if definition_id in ranked else said.occurred_at
        if owner not in since or at < since[owner]:
            since[owner] = at
    return found, since


def write_latest(latest: Mapping[Slot, Said], *, new: Collection[int]) -> None:
    """`new` are the anchors of which nothing was said before."""
    if new:
        insert_contributions([(slot, said) for slot, said in latest.items() if slot[0] in new])
    slots = ((slot, said) for slot, said in latest.items() if slot[0] not in new)
    while rows := dict(islice(slots, ROWS_AT_ONCE)):
        upsert_contributions(rows)


def keep(asked: Mapping[Slot, Sequence[Said]], policies: Mapping[int, Policy]) -> dict[Slot, Kept | None]:
    """What each slot keeps once these values are known, beside what it kept before they were written.

    Nobody else writes to the slots meanwhile: their profiles are locked.
    """
    kept = {slot: kept_by(policies[slot[2]], known, last) for slot, (known, last) in load_slots(list(asked)).items()}
    for slot, sayings in asked.items():
        for said in sayings:
            kept[slot] = policies[slot[2]].keep(kept.get(slot), said)
    return kept


def load_slots(slots: Sequence[Slot]) -> dict[Slot, tuple[Kept | None, Said]]:
    """What is kept in those slots that exist, and the last value of each."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT contribution.anchor_id, contribution.source_id, contribution.definition_id, contribution.kept,
                contribution.occurred_at, contribution.message_id, contribution.value, contribution.fits
            FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS asked(anchor_id, source_id, definition_id)
            JOIN profiles_contribution AS contribution USING (anchor_id, source_id, definition_id)
            """,
            list(map(list, zip(*slots, strict=True))),
        )
        return {
            (anchor_id, source_id, definition_id): (
                kept and orjson.loads(kept),
                Said(occurred_at, message_id, orjson.loads(value), fits),
            )
            for anchor_id, source_id, definition_id, kept, occurred_at, message_id, value, fits in cursor.fetchall()
        }


def write_kept(kept: Mapping[Slot, Kept | None]) -> None:
    """Write what slots keep, where it is something else now."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE profiles_contribution AS contribution SET kept = asked.kept::jsonb
            FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[])
                AS asked(anchor_id, source_id, definition_id, kept)
            WHERE (contribution.anchor_id, contribution.source_id, contribution.definition_id)
                    = (asked.anchor_id, asked.source_id, asked.definition_id)
                AND contribution.kept IS DISTINCT FROM asked.kept::jsonb
            """,
            [
                *map(list, zip(*kept, strict=True)),
                [None if each is None else orjson.dumps(each).decode() for each in kept.values()],
            ],
        )


def stored(
    value: Any, definition: AttributeDefinition, kinds: Mapping[str, IdentifierKind], region: str
) -> tuple[Any, bool]:
    """The value as it is kept, and whether it fits; what does not is kept as it came."""
    coerced = coerce(value, definition.type)
    kind = kinds.get(definition.key) if definition.key in IDENTIFIER_ATTRIBUTES else None
    if kind is not None and coerced is not MISFIT and not is_missing(coerced):
        coerced = normalise(kind, str(coerced), region) or MISFIT
    return (value, False) if coerced is MISFIT else (coerced, True)


def takes_any_text(definition: AttributeDefinition) -> bool:
    """Whether a text that is not empty is `stored` as it is."""
    return definition.type == AttributeType.TEXT and definition.key not in IDENTIFIER_ATTRIBUTES


def insert_contributions(latest: Collection[tuple[Slot, Said]]) -> None:
    """By COPY: half the server's work."""
    message_ids = as_texts(said.message_id for _slot, said in latest)
    values = json_as_texts(said.value for _slot, said in latest)
    copy_lines(
        Contribution._meta.db_table,
        ["anchor_id", "source_id", "definition_id", "value", "fits", "occurred_at", "message_id"],
        (
            f"{anchor_id}\t{source_id}\t{definition_id}\t{value}\t{said.fits}\t"
            f"{time_as_text(said.occurred_at)}\t{message_id}"
            for ((anchor_id, source_id, definition_id), said), value, message_id in zip(
                latest, values, message_ids, strict=True
            )
        ),
    )


def upsert_contributions(latest: Mapping[tuple[int, int, int], Said]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_contribution AS known
                (anchor_id, source_id, definition_id, value, fits, occurred_at, message_id)
            SELECT said.anchor_id, said.source_id, said.definition_id, coalesce(said.value, 'null'), said.fits,
                said.occurred_at, said.message_id
            FROM json_to_recordset(%s) AS said(anchor_id bigint, source_id bigint, definition_id bigint, value jsonb,
                fits boolean, occurred_at timestamptz, message_id text)
            ON CONFLICT (anchor_id, source_id, definition_id) DO UPDATE SET
                value = EXCLUDED.value,
                fits = EXCLUDED.fits,
                occurred_at = EXCLUDED.occurred_at,
                message_id = EXCLUDED.message_id
            WHERE (EXCLUDED.occurred_at, EXCLUDED.message_id COLLATE "C")
                > (known.occurred_at, known.message_id COLLATE "C")
            """,
            [
                rows_as_json(
                    {
                        "anchor_id": anchor_id,
                        "source_id": source_id,
                        "definition_id": definition_id,
                        "value": said.value,
                        "fits": said.fits,
                        "occurred_at": said.occurred_at,
                        "message_id": said.message_id,
                    }
                    for (anchor_id, source_id, definition_id), said in latest.items()
                )
            ],
        )
