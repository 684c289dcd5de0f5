"""One message of an SDK, understood: who, when, what. Shapes: Segment's and RudderStack's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from profiles.identity.groups import Key
from profiles.identity.normalise import MAX_LENGTH, fold, is_blocked, normalise, spell
from profiles.ingest.times import parse_time
from profiles.ingest.traits import MAX_KEY_LENGTH, attributes_of, consents_of
from profiles.models import Consent, IdentifierKind, RejectedMessage, Source

IDENTIFY_EVENT = "$identify"
GROUP_EVENT = "$group"
ALIAS_EVENT = "$alias"
RESERVED_EVENTS = (IDENTIFY_EVENT, GROUP_EVENT, ALIAS_EVENT)
VIEWED = {"page": "Page Viewed", "screen": "Screen Viewed"}  # one event each, whatever the page is called
TYPES = ("identify", "track", "page", "screen", "group", "alias")
EXTERNAL_IDS = "context.externalIds"
TAKEN = "userId, anonymousId, context.device.id, context.externalIds, traits.email, traits.phone"
MAX_EXPLAINED = 10  # identifiers
MIN_SKEW = timedelta(seconds=60)
MAX_AHEAD = timedelta(hours=24)
FIRST_TIME = datetime(1970, 1, 1, tzinfo=UTC)


Given = tuple[str, str, Any]  # where an identifier stands in a message, the key of its kind, and what stands there


class MessageError(ValueError):
    """A message that cannot be taken; its text is the reason that an operator reads, `code` the kind of reason."""

    code: str = RejectedMessage.Code.INVALID


class NobodyError(MessageError):
    """A message without any identifier that can name somebody."""

    code = RejectedMessage.Code.NOBODY


class Message(NamedTuple):
    """`identifiers` are normalised, by priority then value, and never empty: the first anchors what the message says.

    Every message is one event. That of an identify is `$identify` with its traits as properties; `traits` holds them by
    attribute key, as sent. docs/adr/0008 says what the other types become.
    `n_blocked` counts identifiers that were dropped because they cannot name anybody, `n_odd_traits` the traits and
    consents that could not be understood: they stay in the properties and say nothing else. `import_id` is the import
    that brought it, if one did.
    """

    source_id: int
    message_id: str
    key: str
    occurred_at: datetime
    identifiers: tuple[Key, ...]
    n_blocked: int
    event: str
    properties: dict[str, Any]
    traits: dict[str, Any]
    consents: dict[str, Consent.State]
    n_odd_traits: int = 0
    import_id: int | None = None


def parse_message(
    payload: Mapping[str, Any],
    *,
    source: Source,
    kinds: Mapping[str, IdentifierKind],
    received_at: datetime,
    sent_at: datetime | None,
) -> Message:
    """Understand one message; `sent_at` is that of its request, and the message's own goes before it.

    Raises:
        MessageError: with the reason.
    """
    type_ = payload.get("type")
    if type_ not in TYPES:
        raise MessageError(f"type {quoted(type_)} is not taken; taken are {', '.join(TYPES)}")
    message_id = message_id_of(payload)
    context = object_at(payload, "context")
    traits = object_at(context, "traits", "context.") | own_traits(payload)
    identifiers, n_blocked = identifiers_of(payload, context, traits, kinds=kinds, source=source)
    occurred_at = time_of(payload, received_at=received_at, sent_at=parse_time(payload.get("sentAt")) or sent_at)
    common = (source.id, message_id, message_key(source.id, message_id), occurred_at, identifiers, n_blocked)
    if type_ != "identify":
        event, properties = event_of(payload)
        return Message(*common, event, properties, traits={}, consents={})
    for name, key in (("locale", "language"), ("timezone", "timezone")):
        if context.get(name):
            traits.setdefault(key, context[name])
    attributes, n_odd = attributes_of(traits)
    consents, n_odd_consents = consents_of(traits)
    message = Message(*common, IDENTIFY_EVENT, traits, attributes, consents, n_odd + n_odd_consents)
    return heard_by(received_at, message)


def heard_by(at: datetime, message: Message) -> Message:
    """The message; its words of consent were not said after they were heard, or nothing that the person says until then
    would count.
    """
    return message._replace(occurred_at=at) if message.consents and message.occurred_at > at else message


def own_traits(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The traits of the person that stand in the message itself: those of a group message are the group's."""
    return {} if payload.get("type") == "group" else object_at(payload, "traits")


def event_of(payload: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and properties of the event that a message of any type but identify is."""
    type_ = payload["type"]
    if type_ == "track":
        return event_name(payload), object_at(payload, "properties")
    if type_ in VIEWED:
        said = {name: payload[name] for name in ("name", "category") if payload.get(name)}
        return VIEWED[type_], object_at(payload, "properties") | said
    if type_ == "group":
        return GROUP_EVENT, {"groupId": group_id_of(payload), "traits": object_at(payload, "traits")}
    if not payload.get("previousId"):
        raise MessageError("previousId is missing: an alias without it says nothing")
    return ALIAS_EVENT, {}


def group_id_of(payload: Mapping[str, Any]) -> str:
    """A text of at most MAX_KEY_LENGTH characters, also where it was sent as a number."""
    group_id = payload.get("groupId")
    if not isinstance(group_id, str | int | float) or isinstance(group_id, bool) or not str(group_id).strip():
        raise MessageError("groupId is not a text")
    if len(str(group_id)) > MAX_KEY_LENGTH:
        raise MessageError(f"groupId is longer than {MAX_KEY_LENGTH} characters")
    return str(group_id)


def object_at(holder: Mapping[str, Any], name: str, path: str = "") -> dict[str, Any]:
    """The object under `name`, empty where there is none; PHP writes an empty one as a list."""
    found = holder.get(name)
    if found is None or found == []:
        return {}
    if not isinstance(found, dict):
        raise MessageError(f"{path}{name} is not an object")
    return found


def message_id_of(payload: Mapping[str, Any]) -> str:
    message_id = payload.get("messageId")
    if not isinstance(message_id, str) or not message_id:
        raise MessageError("messageId is not a text")
    if len(message_id) > MAX_KEY_LENGTH:
        raise MessageError(f"messageId is longer than {MAX_KEY_LENGTH} characters")
    return message_id


def message_key(source_id: int, message_id: str) -> str:
    """What `MessageKey` keeps of a message, as 32 hexadecimal digits."""
    return hashlib.md5(f"{source_id}:{message_id}".encode(), usedforsecurity=False).hexdigest()


def event_name(payload: Mapping[str, Any]) -> str:
    name = payload.get("event")
    if not isinstance(name, str) or not name.strip():
        raise MessageError("event is not a text")
    if len(name) > MAX_KEY_LENGTH:
        raise MessageError(f"event is longer than {MAX_KEY_LENGTH} characters")
    if name in RESERVED_EVENTS:
        raise MessageError(f"event {name} is kept for {name[1:]} messages")
    return name


def time_of(payload: Mapping[str, Any], *, received_at: datetime, sent_at: datetime | None) -> datetime:
    """When it happened, corrected where the client's clock is off by more than a minute; else when it came."""
    written = payload.get("timestamp") or payload.get("originalTimestamp")
    if not written:
        return received_at
    time = parse_time(written)
    if time is None:
        raise MessageError(f"timestamp {quoted(written):.100} is not an ISO 8601 time")
    if sent_at is not None and abs(received_at - sent_at) > MIN_SKEW:
        try:
            time += received_at - sent_at
        except OverflowError:
            raise MessageError(f"sentAt {sent_at.isoformat()} cannot be") from None
    if time - received_at > MAX_AHEAD:
        raise MessageError(f"time {time.isoformat()} is more than 24 hours ahead")
    if time < FIRST_TIME:
        raise MessageError(f"time {time.isoformat()} is before 1970")
    return time


def identifiers_of(
    payload: Mapping[str, Any],
    context: Mapping[str, Any],
    traits: Mapping[str, Any],
    *,
    kinds: Mapping[str, IdentifierKind],
    source: Source,
) -> tuple[tuple[Key, ...], int]:
    """The usable identifiers by priority, then value; and how many were dropped because they cannot name anybody."""
    found: set[tuple[int, Key]] = set()
    n_blocked = 0
    given = identifiers_written(payload, context, traits, source=source)
    for _place, kind_key, written in given:
        if written is None or written == "" or (kind := kinds.get(kind_key)) is None:
            continue
        text = written if type(written) is str else text_of(written)
        value = None if text is None else normalise(kind, text, source.default_region)
        if value is None:
            n_blocked += 1
        else:
            found.add((kind.priority, Key(kind.id, value)))  # Django takes a microsecond to tell a pk
    if not found:
        raise NobodyError(why_nobody(given, kinds=kinds, region=source.default_region))
    return tuple(key for _priority, key in sorted(found)), n_blocked


def why_nobody(given: Sequence[Given], *, kinds: Mapping[str, IdentifierKind], region: str) -> str:
    """What is wrong with each identifier that there was, without its value."""
    problems = [
        f"{f'{place} ({kind_key})' if place == EXTERNAL_IDS and kind_key in kinds else place}: "
        f"{what_is_wrong(written, kinds.get(kind_key), region)}"
        for place, kind_key, written in given
        if written is not None
    ]
    if not problems:
        return f"no identifier that can name anybody; taken are {TAKEN}"
    return "; ".join(["no identifier that can name anybody", *problems[:MAX_EXPLAINED]])


def what_is_wrong(written: Any, kind: IdentifierKind | None, region: str) -> str:
    """Why this names nobody; profiles/problems.py translates it."""
    if kind is None:
        return "is of a kind that is not defined"
    text = text_of(written)
    if text is None:
        return "is neither a text nor a whole number"
    folded = fold(text)
    if not folded:
        return "is empty"
    if is_blocked(folded):
        return "is a value that names nobody, such as null or 0"
    if spell(kind.normaliser, text, region) is not None:
        return "is a blocked value of its kind"
    if len(folded) > MAX_LENGTH:
        return f"has more than {MAX_LENGTH} characters"
    return "does not have the form of its kind"


def quoted(value: Any) -> str:
    """A value as the message wrote it; texts in single quotes."""
    return repr(value) if isinstance(value, str) else orjson.dumps(value).decode()


def text_of(written: Any) -> str | None:
    """A number as text; None for what is neither."""
    return str(written) if isinstance(written, str | int) and not isinstance(written, bool) else None


def identifiers_written(
    payload: Mapping[str, Any], context: Mapping[str, Any], traits: Mapping[str, Any], *, source: Source
) -> list[Given]:
    """As sent. An external id of a kind that is not defined is somebody else's."""
    written: list[Given] = [
        ("userId", "user_id", payload.get("userId")),
        ("anonymousId", "anonymous_id", payload.get("anonymousId")),
    ]
    if payload["type"] == "alias" and payload.get("previousId") != payload.get("userId"):
        kind_key = source.previous_id_kind.key if source.previous_id_kind else "anonymous_id"
        written.append(("previousId", kind_key, payload.get("previousId")))
    device = context.get("device")
    if isinstance(device, dict):  # some clients write the name of the device there
        written.append(("context.device.id", "device_id", device.get("id")))
    if traits:
        written += [("traits.email", "email", traits.get("email")), ("traits.phone", "phone", traits.get("phone"))]
    external_ids = context.get("externalIds") or ()
    if not isinstance(external_ids, list | tuple):
        raise MessageError("context.externalIds is not a list")
    for external_id in external_ids:
        if not isinstance(external_id, dict) or not isinstance(external_id.get("type"), str):
            raise MessageError("context.externalIds holds something that is not an object with type and id")
        written.append((EXTERNAL_IDS, external_id["type"], external_id.get("id")))
    return written
