"""Keys that we make: of tags, segments, schemes, campaigns, sources."""

from __future__ import annotations

from collections.abc import Collection
from itertools import count
from typing import Any

from django.db.models import Manager
from django.utils.text import slugify

# The API serves paths of these names beside the things' own.
RESERVED_KEYS = frozenset({"preview", "merge", "lookup", "changes", "schema"})
STEM_LENGTH = 40  # of the 50 that a key may have: the rest is for a number


def stem_of(name: str, otherwise: str) -> str:
    """What of a name, in whatever script, can stand in a key; of Chinese nothing can."""
    return slugify(name)[:STEM_LENGTH] or otherwise


def free_key(name: str, taken: Collection[str], *, otherwise: str) -> str:
    """A key made of a name, with a number where it is taken."""
    stem = stem_of(name, otherwise)
    numbered = (f"{stem}-{n}" if n > 1 else stem for n in count(1))
    return next(key for key in numbered if key not in taken and key not in RESERVED_KEYS)


def free_key_among(things: Manager[Any], name: str, *, otherwise: str) -> str:
    """A key made of a name that none of the things has."""
    found = things.filter(key__startswith=stem_of(name, otherwise)).values_list("key", flat=True)
    return free_key(name, set(found), otherwise=otherwise)
