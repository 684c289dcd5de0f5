"""Whose messages a collecting request brings: the source whose write key it shows."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from django.http import HttpRequest

from profiles.api.body import CollectError
from profiles.models import Source


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
    if isinstance(key, str) and "\0" not in key:
        source = Source.objects.filter(write_key=key, is_enabled=True).first()
        if source is not None:
            return source
    raise CollectError(401, "unknown_write_key", "The write key is missing, unknown, or that of a disabled source.")


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
