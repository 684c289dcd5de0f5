"""The door: messages become durable, and only then does a client hear of success."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.db import connection, transaction

from cdp.copy import copy_rows
from cdp.json_field import has_nul
from cdp.stages import wake
from profiles.ingest.counters import write_tally
from profiles.ingest.message import MessageError
from profiles.models import InboxMessage, RejectedMessage, Source

MAX_DEPTH = 254  # levels of a message: as many as orjson writes
SHOWN_DEPTH = 50  # of one that is nested too deeply even to be shown


class Accepted(NamedTuple):
    """How many messages of a request were taken, and how many were refused with a reason."""

    accepted: int
    rejected: int


class NoNumber(float):
    """NaN or an infinity, as JSON has none; some clients write them all the same."""


class SourceGoneError(LookupError):
    """The source was deleted, or is disabled, since it was read."""


def accept_messages(
    source: Source,
    messages: Iterable[Any],
    *,
    received_at: datetime,
    sent_at: datetime | None = None,
    needs_enabled: bool = False,
) -> Accepted:
    """Put `messages` (JSON values as decoded) into the inbox in one COPY, and wake who processes it.

    One that cannot be stored is kept as a RejectedMessage. All are durable once the outermost transaction commits.

    Raises:
        SourceGoneError: nothing was stored, since there is no such source or, with `needs_enabled`, no enabled one.
    """
    taken: list[str] = []
    rejected: list[RejectedMessage] = []
    for message in messages:
        try:
            taken.append(as_payload(message))
        except MessageError as reason:
            rejected.append(rejection(source.pk, received_at, str(reason), as_text(message), sent_at=sent_at))
    with transaction.atomic():
        hold_source(source, needs_enabled=needs_enabled)
        copy_rows(
            InboxMessage._meta.db_table,
            ["source_id", "received_at", "sent_at", "payload"],
            ((source.pk, received_at, sent_at, payload) for payload in taken),
        )
        RejectedMessage.objects.bulk_create(rejected, batch_size=1000)
        if taken:
            wake("messages_accepted")
        if rejected:
            refused = {(source.pk, name): len(rejected) for name in ("n_messages", "n_rejected")}
            write_tally(Counter(refused), now=received_at)
    return Accepted(len(taken), len(rejected))


def hold_source(source: Source, *, needs_enabled: bool) -> None:
    """Keep the source from being deleted until the transaction ends, as a foreign key would row by row.

    Raises:
        SourceGoneError: as said by `accept_messages`.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT is_enabled FROM profiles_source WHERE id = %s FOR KEY SHARE", [source.pk])
        row = cursor.fetchone()
    if row is None or (needs_enabled and not row[0]):
        raise SourceGoneError(source.key)


def as_payload(message: Any) -> str:
    """A message as the JSON text that the inbox keeps, with a message id.

    Raises:
        MessageError: PostgreSQL could not store it, or it is too large.
    """
    if not isinstance(message, dict):
        raise MessageError("a message is not an object")
    payload = encode(message)
    if len(payload) > settings.COLLECT_MAX_MESSAGE_BYTES:
        raise MessageError(f"larger than {settings.COLLECT_MAX_MESSAGE_BYTES // 1024} KB of UTF-8 JSON")
    if rb"\u0000" in payload and has_nul(message):
        raise MessageError("holds a NUL character, which a database text cannot hold")
    message_id = message.get("messageId")
    if message_id is None or message_id == "" or isinstance(message_id, float):  # which may have lost its last digits
        payload = encode({**message, "messageId": generated_id(message)})
    elif isinstance(message_id, int) and not isinstance(message_id, bool):
        payload = encode({**message, "messageId": str(message_id)})
    return payload.decode()


def encode(message: Any) -> bytes:
    try:
        return orjson.dumps(message)
    except orjson.JSONEncodeError as error:
        if "Recursion limit" in str(error):
            raise MessageError(f"nested deeper than {MAX_DEPTH} levels") from error
        if "surrogates" in str(error):
            raise MessageError("holds half a surrogate pair, which is not Unicode text") from error
        if NoNumber.__name__ in str(error):
            raise MessageError("holds NaN or an infinity, which are no numbers of JSON: send null") from error
        raise MessageError(f"cannot be stored: {error}") from error


def as_text(message: Any) -> str:
    """A message that could not be encoded, as ASCII JSON; of one that is nested too deeply even for that what is above,
    and a mark behind it, so that it is no JSON and cannot be replayed.
    """
    try:
        return json.dumps(message)
    except RecursionError:
        return json.dumps(cut_off(message, SHOWN_DEPTH)) + " …"


def cut_off(value: Any, levels: int) -> Any:
    if isinstance(value, dict):
        return {name: cut_off(item, levels - 1) for name, item in value.items()} if levels else "…"
    if isinstance(value, list):
        return [cut_off(item, levels - 1) for item in value] if levels else "…"
    return value


def generated_id(message: dict[str, Any]) -> str:
    """An id for a message without one: the same for the same message, if it says when it happened."""
    if not (message.get("timestamp") or message.get("originalTimestamp")):
        return f"generated-{uuid.uuid4()}"
    said = {name: value for name, value in message.items() if name not in ("sentAt", "writeKey", "messageId")}
    digest = hashlib.md5(json.dumps(said, sort_keys=True).encode(), usedforsecurity=False)
    return f"generated-{digest.hexdigest()}"


def rejection(
    source_id: int,
    received_at: datetime,
    reason: str,
    payload: str,
    *,
    sent_at: datetime | None = None,
    code: str = RejectedMessage.Code.INVALID,
) -> RejectedMessage:
    """An unsaved RejectedMessage; of one that is far too large, the beginning is kept."""
    return RejectedMessage(
        source_id=source_id,
        received_at=received_at,
        sent_at=sent_at,
        code=code,
        reason=reason[:500],
        payload=payload[: 2 * settings.COLLECT_MAX_MESSAGE_BYTES],
    )
