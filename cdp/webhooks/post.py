"""One POST over the internet: bounded in time, whatever the other side does, and in what is read of its answer."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPConnection, HTTPException
from threading import Timer
from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from cdp.webhooks.addresses import Address, ForbiddenAddressError, Target, reachable_addresses, target_of

TIMEOUT_SECONDS = 15  # from the connection to the end of the answer
CONNECT_SECONDS = 5
MAX_ADDRESSES = 2  # tried one after the other
ANSWER_BYTES, ANSWER_CHARACTERS = 2_000, 500


class Trouble(TextChoices):
    """Why there was no answer."""

    NAME = "name", _("The name is unknown")
    FORBIDDEN = "forbidden", _("The address lies in a private network, or is not reached by https")
    CONNECTION = "connection", _("No connection")
    TLS = "tls", _("The certificate is not good")
    TIMEOUT = "timeout", _("No answer in time")
    BROKEN = "broken", _("The connection broke off")


@dataclass(frozen=True)
class Answer:
    """A status, or the trouble in its place; `retry_after` is the header as it came. `text` is the start of the
    answer, or what of the certificate is not good.
    """

    status: int | None
    trouble: str
    took_ms: int
    text: str = ""
    retry_after: str = ""

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class CheckedConnection(HTTPConnection):
    """Connects to addresses that were checked, and to no other that the name may lead to meanwhile."""

    def __init__(self, target: Target, addresses: Sequence[Address]) -> None:
        super().__init__(target.host, target.port, timeout=TIMEOUT_SECONDS)
        self.target, self.addresses = target, addresses
        self.is_given_up = False
        self.line: Any = None  # the socket, which `sock` forgets once the start of an answer has come

    def connect(self) -> None:
        self.sock = self.line = self._open()
        self.sock.settimeout(TIMEOUT_SECONDS)
        if self.target.is_https:
            self.sock = self.line = tls().wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.sock.do_handshake()

    def _open(self) -> Any:
        errors = []
        for address in self.addresses[:MAX_ADDRESSES]:
            try:
                return socket.create_connection((str(address), self.port), timeout=CONNECT_SECONDS)
            except OSError as error:
                errors.append(error)
        raise errors[-1]

    def give_up(self) -> None:
        """From another thread: whatever waits for the other side ends at once."""
        self.is_given_up = True
        if self.line is not None:
            with suppress(OSError):  # it has ended meanwhile
                socket.socket.shutdown(self.line, socket.SHUT_RDWR)


@lru_cache(maxsize=1)
def tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def post(url: str, body: bytes, headers: dict[str, str]) -> Answer:
    """POST and read the start of the answer. Redirects are not followed: they could lead anywhere."""
    started = time.monotonic()
    try:
        target = target_of(url)
        addresses = reachable_addresses(target)
    except ForbiddenAddressError:
        return _no_answer(Trouble.FORBIDDEN, started)
    except (OSError, ValueError):
        return _no_answer(Trouble.NAME, started)
    connection = CheckedConnection(target, addresses)
    # A timeout of the socket starts anew with every byte; this one does not.
    watch = Timer(TIMEOUT_SECONDS, connection.give_up)
    watch.start()
    try:
        return _ask(connection, target, body, headers, started)
    except ssl.SSLCertVerificationError as error:
        return _no_answer(Trouble.TLS, started, error.verify_message)
    except (OSError, HTTPException) as error:
        is_late = isinstance(error, TimeoutError) or time.monotonic() - started >= TIMEOUT_SECONDS
        broken = Trouble.CONNECTION if connection.line is None else Trouble.BROKEN
        return _no_answer(Trouble.TIMEOUT if is_late else broken, started)
    finally:
        watch.cancel()
        connection.close()


def _ask(connection: CheckedConnection, target: Target, body: bytes, headers: dict[str, str], started: float) -> Answer:
    named = {"Host": target.authority, "Content-Type": "application/json", "User-Agent": "Strata-Webhooks/1"}
    connection.request("POST", target.path, body=body, headers=named | headers)
    response = connection.getresponse()
    if connection.is_given_up:  # in the middle of the headers, whose end it takes the cut for
        raise TimeoutError
    start = b""
    with suppress(OSError, HTTPException):  # the status has come; what follows is for people to read
        start = response.read(ANSWER_BYTES)
    text = start.decode(errors="replace").replace("\x00", "\ufffd")[:ANSWER_CHARACTERS]
    retry_after = response.getheader("Retry-After") or ""
    return Answer(response.status, "", _took(started), text, retry_after)


def _no_answer(trouble: Trouble, started: float, text: str = "") -> Answer:
    return Answer(None, trouble.value, _took(started), text[:ANSWER_CHARACTERS])


def _took(started: float) -> int:
    return int((time.monotonic() - started) * 1000)
