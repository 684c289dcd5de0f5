"""Loopback ports."""

import random
import socket

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


def free_port() -> int:
    """A port on which nothing listens, by chance, so that two stacks started together rarely meet."""
    return next(port for port in random.SystemRandom().sample(EMBEDDED_PORTS, len(EMBEDDED_PORTS)) if is_free(port))
