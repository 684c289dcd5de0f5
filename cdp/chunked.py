"""Bodies that come in chunks, without a length: Django would take them for empty."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

WsgiApplication = Callable[[dict[str, Any], Any], Iterable[bytes]]


def with_chunked_bodies(application: WsgiApplication, *, limit: int) -> WsgiApplication:
    """Read such a body before `application` does, and tell its length.

    Of one longer than `limit` bytes, one byte more is read: whoever checks the length refuses it. A server that marks
    no ends of bodies (`wsgi.input_terminated`, as granian does) is left alone, since reading might never return.
    """

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if "CONTENT_LENGTH" not in environ and environ.get("wsgi.input_terminated"):
            body = read_most(environ["wsgi.input"], limit + 1)
            environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return application(environ, start_response)

    return serve


def read_most(stream: Any, size: int) -> bytes:
    """Up to `size` bytes, however few come at a time."""
    parts = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
