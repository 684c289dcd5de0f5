"""Loopback ports."""

import random
import socket
from collections.abc import Container, Sequence

HOST = "127.0.0.1"
# Below the range from which Linux takes the ports of outgoing connections (32768 and up).
EMBEDDED_PORTS = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Whether nothing listens on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port(ports: Sequence[int] = EMBEDDED_PORTS, *, besides: Container[int] = ()) -> int:
    """One of the ports on which nothing listens, by chance, so that two stacks started together rarely meet; none of
    `besides`, which are promised to others that do not listen yet.
    """
    by_chance = random.SystemRandom().sample(ports, len(ports))
    return next(port for port in by_chance if port not in besides and is_free(port))
