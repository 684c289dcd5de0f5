"""From the inbox into the tables: one transaction a batch."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import compress
from typing import NamedTuple, Self

import orjson
from django.conf import settings
from django.db import connection, transaction

from cdp.copy import copying_behind
from cdp.garbage import garbage_waits
from cdp.rules.topics import heard_topics, shared_floor
from cdp.stages import wake
from cdp.trouble import first_said, is_transient
from profiles.identity.foresight import Glance, foresee
from profiles.identity.groups import Link
from profiles.identity.kinds import load_kinds
from profiles.identity.merge import write_feeds
from profiles.identity.resolve import Anchor, resolve
from profiles.identity.retelling import retell
from profiles.identity.sights import write_last_sights
from profiles.ingest.accept import rejection
from profiles.ingest.changes import changes_of, write_changes
from profiles.ingest.contributions import sayings_of, write_contributions
from profiles.ingest.counters import Tally, write_tally
from profiles.ingest.definitions import attribute_definitions, event_definitions
from profiles.ingest.events import event_texts, write_ahead, write_events
from profiles.ingest.keys import claim_keys
from profiles.ingest.message import Message, MessageError, parse_message
from profiles.ingest.newcomers import fold_newcomers, write_newcomers
from profiles.ingest.partitions import missing_partitions
from profiles.ingest.quality import Finding, Quality, compare, quality_of, quality_of_misfits, rejecting, write_quality
from profiles.ingest.records import new_records_of, write_profiles
from profiles.ingest.refold import share_definitions
from profiles.models import AttributeDefinition, Consent, EventDefinition, IdentifierKind, RejectedMessage, Source

logger = logging.getLogger(__name__)

Code = RejectedMessage.Code
# Beside 1,000,000 profiles a message takes 121 µs of worker and server in batches of 10,000, and 141 in those of
# 5,000: of more messages, more are of the same people (2026-11).
# Of large messages fewer are taken. A worker holds some twenty times their bytes while it works on them, and up to
# 350 MB for 6 MB of nothing but small traits.
BATCH_SIZE = 10_000
BATCH_BYTES = 6 * 1024 * 1024


class Row(NamedTuple):
    """An inbox row."""

    id: int
    source_id: int
    received_at: datetime
    sent_at: datetime | None
    payload: str


@dataclass(frozen=True)
class Processed:
    """What became of a batch; `n_messages` 0 says that the inbox was empty. `n_blocked` counts dropped identifiers,
    `n_odd_traits` traits and consents that say nothing since they were not understood or there was
    no room for more attributes.

    `tally` holds the same by source, but for `n_profiles`; `quality` what the batch adds to the counters of its page.
    """

    n_messages: int = 0
    n_duplicates: int = 0
    n_rejected: int = 0
    n_blocked: int = 0
    n_odd_traits: int = 0
    n_events: int = 0
    n_merges: int = 0
    n_profiles: int = 0
    tally: Tally = field(default_factory=Counter, compare=False, repr=False)
    quality: Quality = field(default_factory=Quality, compare=False, repr=False)

    @classmethod
    def of(cls, tally: Tally, *, n_profiles: int = 0, quality: Quality | None = None) -> Self:
        """The sums of `tally`."""
        sums: Counter[str] = Counter()
        for (_source_id, name), n in tally.items():
            sums[name] += n
        return cls(**sums, n_profiles=n_profiles, tally=tally, quality=quality or Quality())

    def __add__(self, other: Self) -> Processed:
        return Processed.of(
            self.tally + other.tally,
            n_profiles=self.n_profiles + other.n_profiles,
            quality=self.quality + other.quality,
        )


class BrokenBatchError(Exception):
    """One of several messages breaks their batch, of which nothing was written; its cause is the error."""

    def __init__(self, n_messages: int) -> None:
        super().__init__(n_messages)
        self.n_messages = n_messages


@garbage_waits()
def process_batch(*, now: datetime, limit: int = BATCH_SIZE) -> Processed:
    """Take up to `limit` messages that no other worker holds, fewer large ones, and bring them into the tables.

    A message that breaks the batch is found by halving and rejected; the others go on. Each half is a transaction of
    its own: the second of two in one would claim keys and make definitions under the identity lock that the first has
    taken, and another worker may have written the same ones and wait for that lock. Nothing is taken if a transaction
    fails.
    """
    try:
        return process_at_once(now=now, limit=limit)
    except BrokenBatchError as broken:
        n_messages = broken.n_messages
    half = n_messages // 2
    return process_batch(now=now, limit=half) + process_batch(now=now, limit=n_messages - half)


def process_at_once(*, now: datetime, limit: int) -> Processed:
    """One transaction. Raises BrokenBatchError, where there is more than one message."""
    with shared_floor(), transaction.atomic():
        share_definitions()
        rows = take(limit)
        processed = process_or_reject(rows, now=now) if rows else Processed()
        write_tally(processed.tally, now=now)
        write_quality(processed.quality, now=now)
    return processed


def take(limit: int) -> list[Row]:
    """Remove the oldest messages from the inbox, passing by those that another worker has: at least one, and up to
    `limit` or BATCH_BYTES.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM profiles_inboxmessage
            WHERE id = ANY(ARRAY(
                SELECT id
                FROM (
                    SELECT id, sum(n_bytes) OVER (ORDER BY id) - n_bytes AS n_bytes_before
                    FROM (
                        SELECT id, octet_length(payload) AS n_bytes
                        FROM profiles_inboxmessage ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
                    ) AS oldest
                ) AS counted
                WHERE n_bytes_before < %s
            ))
            RETURNING id, source_id, received_at::text, sent_at::text, payload
            """,
            [limit, BATCH_BYTES],
        )
        # Those of one request share their times, which Django would read by a regular expression, 4 µs each.
        time_of = cache(datetime.fromisoformat)
        return sorted(
            Row(pk, source_id, time_of(received_at), time_of(sent_at) if sent_at else None, payload)
            for pk, source_id, received_at, sent_at, payload in cursor.fetchall()
        )


def process_or_reject(rows: Sequence[Row], *, now: datetime) -> Processed:
    """Process the rows in a savepoint; where that fails, reject the one that there is.

    Raises BrokenBatchError, where there are more.
    """
    try:
        with transaction.atomic(), copying_behind():
            return process_rows(rows, now=now)
    except Exception as error:
        if is_transient(error):
            raise  # the database's trouble and no message's: the batch goes back to the inbox
        # Whatever a message can break must not stop the ones behind it.
        if len(rows) > 1:
            raise BrokenBatchError(len(rows)) from error
        logger.exception("A message of source %s was rejected", rows[0].source_id)
        reason = f"could not be processed: {type(error).__name__}: {first_said(error)}"
        reject(rows[0], reason, Code.FAILED).save()
        return Processed.of(Counter({(rows[0].source_id, name): 1 for name in ("n_messages", "n_rejected")}))


def process_rows(rows: Sequence[Row], *, now: datetime) -> Processed:
    """One batch, in the order of design section 4: everything that needs no lock, then who it is, then what it says."""
    sources = Source.objects.select_related("previous_id_kind").in_bulk({row.source_id for row in rows})
    kinds = load_kinds()
    parsed, rejected = parse(rows, sources, kinds)
    flagged: Mapping[str, Sequence[Finding]] = {}
    if unplanned := compare([message for _row, message in parsed], sources):
        parsed, refused, flagged = planned(parsed, unplanned)
        rejected += refused
    events = event_definitions(message.event for _row, message in parsed)
    rejected += [reject(row, no_room(message), Code.NO_ROOM) for row, message in parsed if message.event not in events]
    RejectedMessage.objects.bulk_create(rejected)
    taken = [message for _row, message in parsed if message.event in events]
    ready = claim(taken, events)
    messages = ready.messages
    # Counted before anything is written: then nobody waits for it at the identity lock.
    counted = Processed.of(tally_of(rows, rejected, taken, messages), quality=quality_of(messages, events, flagged))
    if not messages:
        return counted
    return counted + write(ready, attribute_definitions(messages), sources, kinds, now=now)


def planned(
    parsed: Sequence[tuple[Row, Message]], unplanned: Mapping[int, Sequence[Finding]]
) -> tuple[list[tuple[Row, Message]], list[RejectedMessage], dict[str, Sequence[Finding]]]:
    """Those that their sources let through, the others with what was not planned, and what was not of the former, by
    message key: of the first copy, which is the one that is taken.
    """
    kept, refused = [], []
    flagged: dict[str, Sequence[Finding]] = {}
    for n, (row, message) in enumerate(parsed):
        found = unplanned.get(n, ())
        verdict = rejecting(found)
        if verdict is None:
            kept.append((row, message))
            flagged.setdefault(message.key, found)
        else:
            refused.append(reject(row, *verdict))
    return kept, refused, flagged


def no_room(message: Message) -> str:
    return f"event {message.event!r} is new, and there are {settings.MAX_DISCOVERED_EVENTS:,} discovered ones already"


def tally_of(
    rows: Iterable[Row], rejected: Iterable[RejectedMessage], taken: Iterable[Message], messages: Sequence[Message]
) -> Tally:
    """What can be counted before the messages are written."""
    tally = Counter((row.source_id, "n_messages") for row in rows)
    tally.update((row.source_id, "n_rejected") for row in rejected)
    tally.update((message.source_id, "n_duplicates") for message in taken)
    tally.subtract((message.source_id, "n_duplicates") for message in messages)
    for message in messages:
        if message.n_blocked or message.n_odd_traits:
            tally[message.source_id, "n_blocked"] += message.n_blocked
            tally[message.source_id, "n_odd_traits"] += message.n_odd_traits
    return tally


def parse(
    rows: Sequence[Row], sources: Mapping[int, Source], kinds: Mapping[str, IdentifierKind]
) -> tuple[list[tuple[Row, Message]], list[RejectedMessage]]:
    parsed, rejected = [], []
    for row in rows:
        try:
            message = parse_message(
                orjson.loads(row.payload),
                source=sources[row.source_id],
                kinds=kinds,
                received_at=row.received_at,
                sent_at=row.sent_at,
            )
        except MessageError as reason:
            rejected.append(reject(row, str(reason), reason.code))
        else:
            parsed.append((row, message))
    return parsed, rejected


def reject(row: Row, reason: str, code: str) -> RejectedMessage:
    return rejection(row.source_id, row.received_at, reason, row.payload, sent_at=row.sent_at, code=code)


class Ready(NamedTuple):
    """Messages that are new, with what can be told of each alone: the text of its event, and its link."""

    messages: list[Message]
    texts: list[str]
    links: list[Link]


def claim(taken: Sequence[Message], events: Mapping[str, EventDefinition]) -> Ready:
    """The messages that were never processed, each in its first copy. All come by one import, or none does.

    They are made ready while the database writes their keys: few have been processed before.
    """
    first = {message.key: message for message in reversed(taken)}
    claimed = claim_keys(first, import_id=taken[0].import_id if taken else None)
    messages = list(first.values())
    ready = Ready(messages, event_texts(messages, events), links_of(messages))
    keys = claimed()
    if len(keys) == len(messages):
        return ready
    new = [message.key in keys for message in messages]
    return Ready(list(compress(messages, new)), list(compress(ready.texts, new)), list(compress(ready.links, new)))


def links_of(messages: Iterable[Message]) -> list[Link]:
    return [
        Link(
            message.occurred_at,
            message.message_id,
            message.source_id,
            message.identifiers,
            message.consents,
            message.import_id,
            bool(message.traits),
        )
        for message in messages
    ]


def write(
    ready: Ready,
    attributes: Mapping[str, AttributeDefinition],
    sources: Mapping[int, Source],
    kinds: Mapping[str, IdentifierKind],
    *,
    now: datetime,
    seen: Glance | None = None,
) -> Processed:
    """Bring messages that are new into the tables; on the shared floor, since it enqueues only what rules ask for.

    Their keys are claimed and their definitions made: others may wait for these, so nobody makes them under the
    identity lock. `seen` are all their identifiers, where the open transaction has looked at them before.
    """
    messages, texts, links = ready
    heard = heard_topics()
    years = {message.occurred_at.year for message in messages}
    foreseen = foresee(links, seen)
    owners = foreseen.settled.items()
    expected = {n: Anchor(foreseen.known[links[n].keys[0]].id, owner) for n, owner in owners}
    lacking = missing_partitions(min(years), max(years))
    ahead = write_ahead(texts, expected, lacking=lacking)
    sayings, misfits = sayings_of(messages, attributes, sources=sources, kinds=kinds)
    tally = tally_of_written(messages, attributes)

    resolution = resolve(links, foreseen, kinds=kinds.values(), now=now)
    created = {made.id for made in resolution.created}
    anchors = resolution.anchors
    written = write_contributions(messages, anchors, sayings, attributes.values(), created=created)
    if created:
        records = fold_newcomers(created, written, anchors, attributes, sources)
        write_newcomers(resolution.created, records, attributes)
    survivors = {pair.survivor for pair in resolution.merged}
    said = {profile_id: values for profile_id, values in written.said.items() if profile_id not in survivors}
    newest = {pk for pk in said if written.since[pk] > resolution.last_seen[pk]}
    new_records = new_records_of((written.said.keys() | survivors) - created, said=said, newest=newest)
    write_profiles(resolution.seen_earlier, new_records)
    write_last_sights(resolution.seen_later)
    write_consents(messages, anchors)
    retold = retell(resolution.late) if resolution.late else set()
    changed = {profile_id: each.changed for profile_id, each in new_records.items()}
    changes = changes_of(
        messages, resolution, attributes=changed, retold=retold, kinds=kinds.values(), heard=heard, now=now
    )
    write_events(texts, anchors, years, lacking=lacking, ahead=ahead)
    if write_changes(changes):
        wake("profiles_changed")
    write_feeds(resolution.merged, now=now)
    tally.update((source_id, "n_merges") for source_id in resolution.merging_sources)
    return Processed.of(tally, n_profiles=len(resolution.created), quality=quality_of_misfits(misfits))


def tally_of_written(messages: Iterable[Message], attributes: Mapping[str, AttributeDefinition]) -> Tally:
    """What is counted of messages that are new, but for the merges that they ask for."""
    tally = Counter((message.source_id, "n_events") for message in messages)
    odd = {key for message in messages for key in message.traits} - attributes.keys()
    for message in messages if odd else ():
        tally[message.source_id, "n_odd_traits"] += len(odd & message.traits.keys())
    return tally


def write_consents(messages: Sequence[Message], anchors: Sequence[Anchor]) -> None:
    """One row a word: the history is kept whole, since messages come in any order."""
    Consent.objects.bulk_create(
        (
            Consent(
                profile_id=anchor.profile_id,
                origin_id=anchor.profile_id,
                anchor_id=anchor.identifier_id,
                channel=channel,
                state=state,
                source_id=message.source_id,
                occurred_at=message.occurred_at,
                message_id=message.message_id,
            )
            for message, anchor in zip(messages, anchors, strict=True)
            for channel, state in message.consents.items()
        ),
        batch_size=1000,
    )
