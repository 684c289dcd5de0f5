"""The data folder: where one stack keeps everything it has, used by one stack at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cdp.servers.errors import StackError

BASE_DIR = Path(__file__).resolve().parent.parent.parent


def data_dir() -> Path:
    """The folder that DATA_DIR names, `.data` beside `manage.py` by default."""
    return Path(os.environ.get("DATA_DIR") or BASE_DIR / ".data").resolve()


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make the folder if needed, and keep every other stack from it; the lock goes with the process, however that ends.

    Raises:
        StackError: another stack runs there, or the folder cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StackError(
            f"Cannot write the data folder {folder} ({error.strerror}): run as the user who made it, "
            "or choose another, such as DATA_DIR=$HOME/strata-data."
        ) from error
    with os.fdopen(descriptor, "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(
                f"Strata already runs on {folder} (process {lock.read().strip() or 'unknown'}): stop it with Ctrl-C, "
                "or start another beside it with PORT=8001 DATA_DIR=/some/where/else."
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
