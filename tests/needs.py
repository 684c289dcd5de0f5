"""Programs that some tests need beside Python: without one they skip and name its package; in CI they fail."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


def needed_program(path: str, *, package: str, required_by: str) -> Path:
    """The program at this path. Skips the test without it, and fails it when the variable `required_by` is set."""
    program = Path(path)
    if not program.exists():
        not_here(f"needs {path}: apt-get install {package}", required_by=required_by)
    return program


def needed_command(name: str, *, package: str, required_by: str) -> Path:
    """As needed_program, wherever the command is found."""
    path = shutil.which(name)
    if path is None:
        not_here(f"needs {name}: apt-get install {package}", required_by=required_by)
    return Path(path)


def not_here(reason: str, *, required_by: str) -> NoReturn:
    """Skip the test, or fail it when the variable `required_by` is set."""
    if os.environ.get(required_by):
        pytest.fail(f"{reason} ({required_by} is set)")
    pytest.skip(reason)
