"""A little HTTP server that hears webhooks and answers as it is told."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, NamedTuple

import orjson

LOOPBACK = "127.0.0.1"
BREAK = "break"  # in place of a status: the connection is reset
HANG = "hang"  # nothing is answered until the receiver closes
DRIP = "drip"  # an answer that goes on and never ends


class Heard(NamedTuple):
    """A request as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Receiver:
    """`answers` holds what to answer next: a status, (status, headers, text), BREAK, HANG or DRIP; then 204."""

    def __init__(self, port: int) -> None:
        self.url = f"http://{LOOPBACK}:{port}/hooks?from=strata"
        self.heard: list[Heard] = []
        self.answers: list[Any] = []
        self.is_closed = Event()
        self.on_request: Any = None

    @property
    def changes(self) -> list[Any]:
        """What a receiver knows that drops doubles by their id, in order."""
        unique = {each.id: each.json["data"]["changes"] for each in self.heard if each.json["data"]}
        return [change for changes in unique.values() for change in changes]


@contextmanager
def receiver(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *args: None  # type: ignore[method-assign] # a handshake that the other side refused
    heard = Receiver(server.server_port)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        heard.url = f"https://localhost:{server.server_port}/hooks"
    server.receiver = heard  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        heard.is_closed.set()
        server.shutdown()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        told: Receiver = self.server.receiver  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told.heard.append(Heard({name.lower(): value for name, value in self.headers.items()}, body))
        if told.on_request:
            told.on_request()
        answer = told.answers.pop(0) if told.answers else 204
        self.close_connection = True
        if answer == BREAK:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif answer == HANG:
            told.is_closed.wait(30)
        elif answer == DRIP:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            with suppress(OSError):
                while not told.is_closed.wait(0.05):
                    self.wfile.write(b"X-More: 1\r\n")
        else:
            status, headers, text = answer if isinstance(answer, tuple) else (answer, {}, b"")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""
