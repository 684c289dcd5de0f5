"""Whose messages a collecting request brings: the source whose write key or bearer token it shows."""

from __future__ import annotations

import base64
import binascii
import time
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from profiles.api.body import CollectError
from profiles.models import Source
from profiles.services.oauth import Grant, TokenExpiredError, read_token, source_of

KEPT_SECONDS = 5  # so long may a new rate limit, and the end of a replaced key, take to be felt
_kept: dict[str | Grant, tuple[float, Source]] = {}  # until when, by what names them: those of real sources only


def source_of_request(request: HttpRequest) -> Source | None:
    """By the bearer token, the user name of HTTP Basic, or `?writeKey=`; None where the key must be in the body."""
    if token := credentials(request, "bearer"):
        return source_of_token(token)
    key = basic_user(request) or request.GET.get("writeKey")
    return source_with(key) if key else None


def source_of_body(*holders: Any) -> Source:
    """By the `writeKey` of the body, else of its first message."""
    keys = (holder.get("writeKey") for holder in holders if isinstance(holder, dict))
    return source_with(next((key for key in keys if key), None))


def source_with(key: object) -> Source:
    """The enabled source of a write key.

    Raises:
        CollectError: 401.
    """
    # Others are no key, and some the database cannot even be asked for: NUL, half a surrogate pair.
    if isinstance(key, str) and key.isascii() and key.isprintable() and (source := kept_source(key)):
        return source
    raise unknown_key()


def source_of_token(token: str) -> Source:
    """The enabled source that a bearer token was issued for.

    Raises:
        CollectError: 511 once its time is over, since to 401 the SDKs give the messages up; 401 for any other.
    """
    try:
        grant = read_token(token)
    except TokenExpiredError as error:
        raise CollectError(511, "token_expired", "The bearer token has expired. Get another at /token.") from error
    if grant is not None and (source := kept_source(grant)):
        return source
    bearer = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    raise CollectError(401, "invalid_token", "The bearer token is not, or no longer, good for a source.", bearer)


def kept_source(key: str | Grant) -> Source | None:
    """As the database has it, or had it in the last KEPT_SECONDS: looking it up is a third of taking a small batch.

    What is accepted does not depend on it, since accepting looks whether the source is enabled still.
    """
    kept = _kept.get(key)
    if kept and time.monotonic() < kept[0]:
        return kept[1]
    if isinstance(key, Grant):
        source = source_of(key)
    else:
        source = Source.objects.with_write_key(key, now=timezone.now()).first()
    if source is None:
        _kept.pop(key, None)
    else:
        _kept[key] = (time.monotonic() + KEPT_SECONDS, source)
    return source


def forget_sources() -> None:
    """Let the next request of each source look it up anew."""
    _kept.clear()


def unknown_key() -> CollectError:
    return CollectError(401, "unknown_write_key", "The write key is missing, unknown, or that of a disabled source.")


def basic_user(request: HttpRequest) -> str:
    """The user name of HTTP Basic, empty where there is none."""
    return decode_base64(credentials(request, "basic")).partition(":")[0]


def credentials(request: HttpRequest, scheme: str) -> str:
    """What the header Authorization says in this scheme, empty where it is of another."""
    said, _space, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if said.lower() == scheme else ""


def decode_base64(encoded: str) -> str:
    """The text behind `encoded`, empty where it is not one."""
    try:
        return base64.b64decode(encoded).decode()
    except (binascii.Error, ValueError):
        return ""
