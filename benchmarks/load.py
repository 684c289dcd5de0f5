"""Requests over real sockets, from several clients at once, as fast as the answers come."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from cdp.servers.ports import HOST

ANSWER_SECONDS = 60


@dataclass
class Client:
    """Sends whole requests one after the other, and takes the time of each; each must be answered with 200."""

    port: int
    keeps_alive: bool
    seconds: list[float] = field(default_factory=list)
    error: Exception | None = None

    def send_all(self, requests: Sequence[bytes]) -> None:
        connection: socket.socket | None = None
        try:
            for request in requests:
                started = time.perf_counter()
                connection = connection or socket.create_connection((HOST, self.port), ANSWER_SECONDS)
                connection.sendall(request)
                read_success(connection)
                self.seconds.append(time.perf_counter() - started)
                if not self.keeps_alive:
                    connection.close()
                    connection = None
        except Exception as error:  # told to who waits for the thread
            self.error = error
        finally:
            if connection:
                connection.close()


def read_success(connection: socket.socket) -> None:
    """Read one answer to its end.

    Raises:
        AssertionError: it is another than 200.
    """
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += received(connection)
    head, _empty, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), answer
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += received(connection)


def received(connection: socket.socket) -> bytes:
    part = connection.recv(65_536)
    assert part, "the server hung up"
    return part


def send_from_many(requests: Sequence[bytes], *, port: int, n_clients: int, keeps_alive: bool = True) -> list[float]:
    """The seconds that each request took, the fastest first."""
    clients = [Client(port, keeps_alive) for _ in range(n_clients)]
    threads = [
        threading.Thread(target=client.send_all, args=[requests[number::n_clients]])
        for number, client in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        if client.error:
            raise client.error
    return sorted(seconds for client in clients for seconds in client.seconds)
