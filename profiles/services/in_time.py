"""Counts that somebody waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import transaction

from cdp.local_settings import TimeLimitExceeded, deadline

COUNT_SECONDS = 3  # each of two tries
MOST = 50_000  # rows that are looked at where all of them take longer

T = TypeVar("T")


def count_in_time(count: Callable[[int | None], T]) -> T | None:
    """What `count(None)` says of all rows, else `count(MOST)` of the first; None where that takes too long as well."""
    for most in (None, MOST):
        try:
            with transaction.atomic(), deadline(COUNT_SECONDS):
                return count(most)
        except TimeLimitExceeded:
            continue
    return None
