"""How many workers send at once, over all machines: the others stay free for collecting and refreshing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from cdp.locks import session_lock


@contextmanager
def delivery_lane() -> Iterator[bool]:
    """Hold one of `settings.DELIVERY_LANES` places for as long as the block runs; yields False where all are taken."""
    for lane in range(settings.DELIVERY_LANES):
        with session_lock("delivery_lane", lane, wait=False) as is_mine:
            if is_mine:
                yield True
                return
    yield False
