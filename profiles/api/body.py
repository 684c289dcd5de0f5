"""The body of a collecting request: bounded, unzipped, decoded. Content-Type is not looked at: SDKs send any."""

from __future__ import annotations

import json
import re
import zlib
from codecs import BOM_UTF8
from collections.abc import Mapping
from math import isfinite
from typing import Any
from urllib.parse import parse_qsl

import orjson
from django.conf import settings
from django.http import HttpRequest
from django.http.request import UnreadablePostError

from cdp.json_field import whole
from profiles.ingest.accept import NoNumber

GZIP_MAGIC = b"\x1f\x8b"
GZIP = 31  # how zlib calls it
PIECE = 4_096  # bytes that are unpacked at a time
MAX_FIELDS = 20
MAX_DEPTH = 500
BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[{]++|[\]}]++', re.DOTALL)  # and texts, which may hold some
CUT = '"…"'.encode()


class CollectError(Exception):
    """An answer other than success; SDKs need `code` and `message`, or they retry for ever."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.code, self.message, self.headers = status, code, message, dict(headers or {})
        super().__init__(message)


def read_json(request: HttpRequest) -> dict[str, Any]:
    """The JSON object that the request holds.

    Raises:
        CollectError: 413 over the limit, packed or unpacked; 400 for what is not a JSON object.
    """
    limit = settings.COLLECT_MAX_REQUEST_BYTES
    raw = read_raw(request, limit)
    if raw.startswith(GZIP_MAGIC) or request.headers.get("Content-Encoding", "").lower() == "gzip":
        raw = unzip(raw, limit)
    if len(raw) > limit:
        raise CollectError(413, "too_large", f"A request may have {limit} bytes. Send smaller batches.")
    body = decode(raw)
    if not isinstance(body, dict):
        raise CollectError(400, "invalid_json", "The body is not a JSON object.")
    return body


def read_form(request: HttpRequest, *, limit: int) -> dict[str, str]:
    """The fields that a form of at most `limit` bytes holds, each once.

    Raises:
        CollectError: 413 over the limit; 400 for what is not a form.
    """
    raw = read_raw(request, limit)
    if len(raw) > limit:
        raise CollectError(413, "too_large", f"A form may have {limit} bytes.")
    try:
        return dict(parse_qsl(raw.decode(), max_num_fields=MAX_FIELDS))
    except ValueError as error:
        raise CollectError(400, "invalid_form", "The body is not a form.") from error


def read_raw(request: HttpRequest, limit: int) -> bytes:
    """What was sent; of more than `limit` bytes, one more than that."""
    try:
        return request.read(limit + 1)  # not `body`, which has a limit of its own for forms
    except UnreadablePostError as error:
        raise CollectError(400, "unreadable", "The body ended early.") from error


def unzip(raw: bytes, limit: int) -> bytes:
    """All members of the gzip body, and zeros after the last, as RFC 1952 and its tools have it.

    At most one byte more than `limit`, so that a small body cannot unpack into all memory. A piece at a time: what is
    left behind a member is copied, and 5 MB may be 250,000 members (0.3 s).
    """
    unpacked: list[bytes] = []
    room, at = limit + 1, 0
    unpacker = zlib.decompressobj(wbits=GZIP)
    while room and at < len(raw):
        if unpacker.eof:
            if not raw[at] and not any(raw[at:]):
                break
            unpacker = zlib.decompressobj(wbits=GZIP)
        piece = raw[at : at + PIECE]
        try:
            unpacked.append(unpacker.decompress(piece, room))
        except zlib.error as error:
            raise CollectError(400, "invalid_gzip", "The body is not gzip.") from error
        room -= len(unpacked[-1])
        at += len(piece) - len(unpacker.unused_data)
    if room and not unpacker.eof:
        raise CollectError(400, "invalid_gzip", "The gzip body ended early.")
    return b"".join(unpacked)


def decode(raw: bytes) -> Any:
    """JSON. Half a surrogate pair passes here, NaN, which Python writes, and what is nested too deeply: they must harm
    only the message that holds them. So does the byte order mark that .NET and PowerShell begin with.
    """
    raw = raw.removeprefix(BOM_UTF8)
    try:
        try:
            return loads(raw)
        except RecursionError:
            return loads(shallow(raw))
    except (ValueError, RecursionError) as error:
        raise CollectError(400, "invalid_json", f"The body is not JSON: {error}") from error


def loads(raw: bytes) -> Any:
    """Raises ValueError for what is no JSON, RecursionError for what has more than about 1,000 levels."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return json.loads(  # noqa: TID251 - numbers are made as by orjson
            raw.decode(), parse_constant=NoNumber, parse_float=_number, parse_int=_integer
        )


def shallow(raw: bytes) -> bytes:
    """JSON in which "…" stands for all that is below MAX_DEPTH levels: more than a message may have, so that the one
    that goes so deep is rejected by itself. 5 MB of brackets take a second, as does storing 5 MB of messages.
    """
    kept: list[bytes] = []
    depth = begin = 0
    for token in BRACKETS.finditer(raw):
        at, n = token.start(), token.end() - token.start()
        if raw[at] in b"[{":
            if depth <= MAX_DEPTH < depth + n:
                kept += [raw[begin : at + MAX_DEPTH - depth], CUT]
            depth += n
        elif raw[at] in b"]}":
            if depth > MAX_DEPTH >= depth - n:
                begin = at + depth - MAX_DEPTH
            depth -= n
    return b"".join([*kept, raw[begin:] if depth <= MAX_DEPTH else b""])


def _number(written: str) -> float:
    number = float(written)
    return number if isfinite(number) else NoNumber(number)


def _integer(written: str) -> float:
    """Beyond 64 bits a float, as `orjson` has it."""
    number = whole(written)
    return _number(written) if number is None else number
