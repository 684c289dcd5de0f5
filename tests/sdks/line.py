"""A line to the server on which things go wrong, one after the other, as they do between a client and us."""

from __future__ import annotations

import http.client
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cdp.servers.ports import HOST

SECONDS = 120
END_TO_END = {"connection", "keep-alive", "transfer-encoding", "date", "server"}


@dataclass(frozen=True)
class Refuse:
    """The request is answered here with an error, and never reaches the server."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


class LoseAnswer:
    """The server takes the request; its answer never reaches the client."""


@dataclass(frozen=True)
class Before:
    """Something happens just before the request would reach the server."""

    happens: Callable[[], None]


Trouble = Refuse | LoseAnswer | Before | None


@dataclass
class Line:
    """Where clients send to. Each POST meets the next trouble, None being none, until they are used up."""

    port: int
    troubles: deque[Trouble] = field(default_factory=deque)
    n_posts: int = 0
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def next_trouble(self) -> Trouble:
        return self.troubles.popleft() if self.troubles else None


@contextmanager
def line_to(server_port: int) -> Iterator[Line]:
    """A line to the server on this port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_OPTIONS(self) -> None:
            self.pass_on()

        def do_GET(self) -> None:
            self.pass_on()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            line.n_posts += 1
            if not line.troubles:
                self.pass_on(body)
                return
            with line.one_at_a_time:  # what was lost must have been stored before the server is killed
                self.meet(line.next_trouble(), body)

        def meet(self, trouble: Trouble, body: bytes) -> None:
            if isinstance(trouble, Before):
                trouble.happens()
            if isinstance(trouble, Refuse):
                headers = {**trouble.headers, **self.cors()}
                self.answer(trouble.status, headers, b'{"code": "trouble", "message": "On purpose."}')
            else:
                self.pass_on(body, loses_answer=isinstance(trouble, LoseAnswer))

        def pass_on(self, body: bytes = b"", *, loses_answer: bool = False) -> None:
            server = http.client.HTTPConnection(HOST, server_port, timeout=SECONDS)
            try:
                server.request(self.command, self.path, body, dict(self.headers))
                response = server.getresponse()
                raw = response.read()
            except (OSError, http.client.HTTPException):
                self.close_connection = True  # nothing is there: so hears the client
                return
            finally:
                server.close()
            if loses_answer:
                self.close_connection = True
                return
            self.answer(response.status, dict(response.getheaders()), raw)

        def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            with suppress(OSError):
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in END_TO_END | {"content-length"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def cors(self) -> dict[str, str]:
            origin = self.headers.get("Origin")
            return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"} if origin else {}

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the server behind has a log."""

    with ThreadingHTTPServer((HOST, 0), Handler) as proxy:
        line = Line(proxy.server_port)
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield line
        finally:
            proxy.shutdown()
