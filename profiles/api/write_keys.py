"""Whose messages a collecting request brings: the source whose write key it shows."""

from __future__ import annotations

import base64
import binascii
import time
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from profiles.api.body import CollectError
from profiles.models import Source

KEPT_SECONDS = 5  # so long may a new rate limit, and the end of a replaced key, take to be felt
_kept: dict[str, tuple[float, Source]] = {}  # until when, by write key: those of real sources only


def source_of_request(request: HttpRequest) -> Source | None:
    """By the user name of HTTP Basic, else by `?writeKey=`; None where the key must be in the body."""
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
    if isinstance(key, str) and "\0" not in key and (source := kept_source(key)):
        return source
    raise unknown_key()


def kept_source(key: str) -> Source | None:
    """As the database has it, or had it in the last KEPT_SECONDS: looking it up is a third of taking a small batch.

    What is accepted does not depend on it, since accepting looks whether the source is enabled still.
    """
    kept = _kept.get(key)
    if kept and time.monotonic() < kept[0]:
        return kept[1]
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
    """The user name of HTTP Basic, empty where there is none; a bearer token is not looked at."""
    scheme, _space, encoded = request.headers.get("Authorization", "").partition(" ")
    return decode_base64(encoded).partition(":")[0] if scheme.lower() == "basic" else ""


def decode_base64(encoded: str) -> str:
    """The text behind `encoded`, empty where it is not one."""
    try:
        return base64.b64decode(encoded).decode()
    except (binascii.Error, ValueError):
        return ""
