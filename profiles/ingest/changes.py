"""What a batch changed, for the queue of those who follow."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import NamedTuple

from cdp.copy import as_texts, copy_lines, time_as_text
from profiles.identity.resolve import Anchor, Resolution
from profiles.ingest.message import Message
from profiles.models import IdentifierKind, Lane, ProfileChange

CREATED, MERGE = "created", "merge"


class Change(NamedTuple):
    """A row of the queue; an event from the future is due at its time."""

    profile_id: int
    topic: str
    due_at: datetime


def changes_of(
    messages: Sequence[Message],
    resolution: Resolution,
    *,
    attributes: Mapping[int, Collection[str]],
    retold: Iterable[tuple[int, str]],
    kinds: Iterable[IdentifierKind],
    heard: Collection[str],
    now: datetime,
) -> set[Change]:
    """What the batch changed, of the topics that are `heard`; what is due later whatever its topic, since a rule may be
    made before. Of profiles that are new or merged, that alone: both concern everybody who follows.

    `attributes` are the keys whose value is another now, by profile; `retold` the people, with the channel, whose joins
    decide otherwise on their consent.
    """
    whole = dict.fromkeys((made.id for made in resolution.created), CREATED)
    whole |= {pair.survivor: MERGE for pair in resolution.merged}
    changes = {Change(profile_id, topic, now) for profile_id, topic in whole.items()}
    parts = chain(
        event_changes(messages, resolution.anchors, heard=heard, now=now),
        attribute_changes(attributes, heard=heard, now=now),
        consent_changes(messages, resolution.anchors, now=now),
        (Change(pk, f"consent:{channel}", now) for pk, channel in retold),
        identifier_changes(resolution, {kind.pk: kind for kind in kinds}, whole=whole, now=now),
        seen_changes(resolution, whole=whole, heard=heard, now=now),
    )
    return changes | {
        change for change in parts if change.due_at > now or (change.topic in heard and change.profile_id not in whole)
    }


def event_changes(
    messages: Sequence[Message], anchors: Sequence[Anchor], *, heard: Collection[str], now: datetime
) -> set[Change]:
    """Of the many events, those alone that are heard or from the future."""
    topics = {name: f"event:{name}" for name in {message.event for message in messages}}
    names = {name for name, topic in topics.items() if topic in heard}
    return {
        Change(anchor.profile_id, topics[message.event], max(message.occurred_at, now))
        for message, anchor in zip(messages, anchors, strict=True)
        if message.event in names or message.occurred_at > now
    }


def attribute_changes(
    attributes: Mapping[int, Collection[str]], *, heard: Collection[str], now: datetime
) -> Iterator[Change]:
    """Of the many values that a batch of nothing but traits changes, those alone that are heard: none is due later."""
    keys = {topic.removeprefix("attribute:") for topic in heard if topic.startswith("attribute:")}
    for profile_id, changed in attributes.items():
        for key in keys.intersection(changed):
            yield Change(profile_id, f"attribute:{key}", now)


def consent_changes(messages: Sequence[Message], anchors: Sequence[Anchor], *, now: datetime) -> set[Change]:
    return {
        Change(anchor.profile_id, f"consent:{channel}", now)
        for message, anchor in zip(messages, anchors, strict=True)
        for channel in message.consents
    }


def identifier_changes(
    resolution: Resolution, kinds: Mapping[int, IdentifierKind], *, whole: Collection[int], now: datetime
) -> Iterator[Change]:
    """A first personal identifier also makes somebody known. `whole` are those of whom it need not be said."""
    for profile_id, gained in resolution.gained.items():
        if profile_id not in whole:
            for kind_id in gained:
                yield Change(profile_id, f"identifier:{kinds[kind_id].key}", now)
            if any(kinds[kind_id].is_personal for kind_id in gained):
                yield Change(profile_id, "attribute:is_known", now)


def seen_changes(
    resolution: Resolution, *, whole: Collection[int], heard: Collection[str], now: datetime
) -> Iterator[Change]:
    """Also, at its time, a first or last sight that is still to come: then it lies in the last days; that alone of
    `whole`, and where no sights are heard.
    """
    is_heard = "attribute:first_seen_at" in heard or "attribute:last_seen_at" in heard
    for profile_id, seen in resolution.seen.items():
        if seen.last <= now and (profile_id in whole or not is_heard):
            continue
        is_new = profile_id not in resolution.last_seen
        if is_new or profile_id in resolution.seen_earlier:
            yield from (Change(profile_id, "attribute:first_seen_at", at) for at in {now, max(seen.first, now)})
        if is_new or profile_id in resolution.seen_later:
            yield from (Change(profile_id, "attribute:last_seen_at", at) for at in {now, max(seen.last, now)})


def write_changes(changes: Collection[Change]) -> int:
    """Append to the queue; returns how many."""
    ordered = sorted(changes)
    topics = as_texts(change.topic for change in ordered)
    copy_lines(
        ProfileChange._meta.db_table,
        ["profile_id", "topic", "lane", "due_at", "holder"],
        (
            f"{profile_id}\t{topic}\t{Lane.LIVE:d}\t{time_as_text(due_at)}\t"
            for (profile_id, _topic, due_at), topic in zip(ordered, topics, strict=True)
        ),
    )
    return len(changes)
