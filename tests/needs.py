"""Programs that some tests need beside Python: without one they skip and name its package; in CI they fail."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def needed_program(path: str, *, package: str, required_by: str) -> Path:
    """The program at this path. Skips the test without it, and fails it when the variable `required_by` is set."""
    program = Path(path)
    if program.exists():
        return program
    reason = f"needs {path}: apt-get install {package}"
    if os.environ.get(required_by):
        pytest.fail(f"{reason} ({required_by} is set)")
    pytest.skip(reason)
