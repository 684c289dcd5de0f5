"""Run a command beside throw-away servers: `python -m cdp.servers [--durable] .data/test -- pytest -n 2`.

The command sees their DATABASE_URL, BROKER_URL and SECRET_KEY, and the folder as DATA_DIR; its exit code is ours. What
the environment already names is used instead. Durable ones sync to disk, as those of `make up` do: for measuring.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from cdp.servers.embedded import running_servers
from cdp.servers.errors import StackError
from cdp.servers.stack_file import read_stack_file


def main(arguments: list[str]) -> int:
    is_durable = arguments[:1] == ["--durable"]
    folder, separator, *command = arguments[is_durable:]
    if separator != "--" or not command:
        sys.exit(f"usage: {__doc__}")
    data_dir = Path(folder).resolve()
    with running_servers(data_dir, is_throwaway=not is_durable):
        environment = read_stack_file(data_dir) | os.environ | {"DATA_DIR": str(data_dir)}
        process = subprocess.Popen(command, env=environment)  # noqa: S603 - the caller's own command
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            return process.wait()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except StackError as error:
        sys.exit(f"strata: {error}")
