"""Whole stacks in folders of their own, as somebody at a terminal would run them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cdp.servers.data_dir import BASE_DIR
from cdp.servers.ports import free_port

PROCESSES = ("postgres", "valkey", "granian", "worker", "beat")
# What the test run itself was given, and a stack of its own must not see.
INHERITED = {"DATABASE_URL", "BROKER_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE", "PUBLIC_URL"}


# Below those of embedded servers, each process of the test run its own: a site listens long after its port was chosen.
_process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
SITE_PORTS = range(10_000 + _process % 64, 20_000, 64)


def environment_of(data_dir: Path, **variables: str) -> dict[str, str]:
    """The environment of a stack in this folder: ours, without the servers of the test run, on a free port."""
    own = {name: value for name, value in os.environ.items() if name not in INHERITED}
    return own | {"DATA_DIR": str(data_dir), "PORT": str(free_port(SITE_PORTS))} | variables


def run_manage(*arguments: str, env: dict[str, str], timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run `manage.py` to its end, output as text."""
    return _run(["manage.py", *arguments], env, timeout)


def run_beside_servers(*command: str, env: dict[str, str], timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a command to its end beside throw-away servers in the data folder of `env`, output as text."""
    return _run(["-m", "cdp.servers", env["DATA_DIR"], "--", *command], env, timeout)


def _run(arguments: list[str], env: dict[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=BASE_DIR, env=env, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


@contextmanager
def running_manage(*arguments: str, env: dict[str, str], output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`manage.py` beside the block, ended by SIGTERM after it; its output goes to a file."""
    with output.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR, env=env, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)  # longer than the sum of what each of its services may take


def wait_for(is_true: Callable[[], bool], what: str, *, seconds: float = 300) -> None:
    """Wait until something is so; fails with `what` when it does not come."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.2)


def processes_of(data_dir: Path) -> dict[str, list[int]]:
    """The living processes of a stack, oldest first: servers by the folder they work in, the others by command."""
    found: dict[str, list[tuple[int, int]]] = {name: [] for name in PROCESSES}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            works_in = (folder / "cwd").resolve(strict=True)
            environment = (folder / "environ").read_bytes().split(b"\0")
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            # The ids alone do not tell: they begin anew where they come to an end, at 32,768 by default.
            started_at = int((folder / "stat").read_text().rpartition(")")[2].split()[19])
        except OSError:
            continue
        if works_in.parent == data_dir:
            found[works_in.name].append((started_at, int(folder.name)))
        elif f"DATA_DIR={data_dir}".encode() in environment:
            for name in found.keys() & set(words):
                found[name].append((started_at, int(folder.name)))
    return {name: [pid for _started_at, pid in sorted(processes)] for name, processes in found.items()}


def wait_for_process(data_dir: Path, name: str) -> int:
    """The main process of one of PROCESSES of a stack, the oldest, once there is one."""
    return wait_for_all(data_dir, [name])[name][0]


def wait_for_all(data_dir: Path, names: Iterable[str] = PROCESSES) -> dict[str, list[int]]:
    """As `processes_of`, once there is one of each name."""
    found: dict[str, list[int]] = {}

    def are_there() -> bool:
        found.update(processes_of(data_dir))
        return all(found[name] for name in names)

    wait_for(are_there, f"each of {', '.join(names)}")
    return found
