"""The SDKs for Node and browsers: installed once from the lock, in a folder beside the Python packages."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

from cdp.servers.data_dir import BASE_DIR
from tests.needs import needed_command, not_here

HERE = Path(__file__).parent
FILES = ("package.json", "package-lock.json", ".npmrc")
REQUIRED_BY = "REQUIRE_NODE"
INSTALL_SECONDS = 900


def folder_of_sdks() -> Path:
    """Where they are, or will be: kept between runs, and never part of the repository."""
    lock = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:16]
    return BASE_DIR / ".venv" / f"sdks-{lock}"


def installed_sdks() -> Path:
    """Their `node_modules`. Skips the test where npm is missing or reaches no registry, and fails it in CI."""
    npm = needed_command("npm", package="npm", required_by=REQUIRED_BY)
    folder = folder_of_sdks()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # the other processes of the test run wait
        done = folder / "done"
        if not done.exists():
            for name in FILES:
                shutil.copy(HERE / name, folder)
            command = [str(npm), "ci", "--no-progress"]
            installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS)
            if installed.returncode:
                not_here(f"npm ci failed: {installed.stderr[-500:]}", required_by=REQUIRED_BY)
            done.touch()
    return folder / "node_modules"
