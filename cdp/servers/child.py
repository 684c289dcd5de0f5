"""One child process: started in a session of its own, logged to a file, ended in bounded time."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

MAX_LOG_BYTES = 10_000_000


class Child:
    """A process that this one starts, and that ends with it.

    `stop_signal` asks it to end in order, and is also what the kernel sends it when its parent is killed (Linux, where
    `setpriv` is there). A session of its own keeps the terminal's Ctrl-C from it, so that the stack ends in order.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        self.stop_signal = stop_signal
        with log.open("ab") as output:
            fcntl.flock(output, fcntl.LOCK_SH)  # goes with the last process that writes there
            self.process = subprocess.Popen(  # noqa: S603 - our own commands
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that killed it."""
        return self.process.poll()

    def ask_to_stop(self) -> None:
        if self.exit_code() is None:
            self.process.send_signal(self.stop_signal)

    def stop(self, timeout: float) -> None:
        """Wait for it to end, having asked; after `timeout` seconds kill it with all it started."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout)
        self.kill_rest()

    def kill_rest(self) -> None:
        """Kill what is left of its process group, such as the workers of a master that was killed."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


def is_written(log: Path) -> bool:
    """Whether a child that writes this log still lives, or what it started, also where it outlived who started it."""
    with suppress(FileNotFoundError), log.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def ending_with_parent(command: Sequence[str], stop_signal: signal.Signals) -> list[str]:
    """The command, to which the kernel sends `stop_signal` when the process that starts it dies (where setpriv is)."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return list(command)
    return [setpriv, "--pdeathsig", stop_signal.name.removeprefix("SIG"), "--", *command]
