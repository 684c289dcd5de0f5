"""Keys that we make: of tags, segments, schemes, campaigns, sources."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from itertools import count
from typing import Any

from django.db.models import Manager, Q
from django.utils.text import slugify

# The API serves paths of these names beside the things' own.
RESERVED_KEYS = frozenset({"preview", "merge", "lookup", "changes", "schema"})
STEM_LENGTH = 40  # of the 50 that a key may have: the rest is for a number
CHINESE = re.compile("[\u3007\u3400-\u9fff\U00020000-\U000323af]")


def stem_of(name: str, otherwise: str) -> str:
    """What of a name can stand in a key, by whole words: Chinese as pinyin, of other scripts nothing."""
    stem = slugify(in_pinyin(name)).strip("-_")
    if len(stem) > STEM_LENGTH:
        whole, _dash, _rest = stem[: STEM_LENGTH + 1].rpartition("-")
        stem = (whole or stem[:STEM_LENGTH]).rstrip("-_")
    return stem or otherwise


def in_pinyin(name: str) -> str:
    """With a syllable for each Chinese character, as its word is read, without tones: 重庆VIP is `chong-qing-VIP`."""
    if not CHINESE.search(name):
        return name
    from pypinyin import lazy_pinyin  # noqa: PLC0415 - its dictionaries take 56 MB, in processes that need them

    return "-".join(lazy_pinyin(name))


def is_called(term: str, *, of: str = "") -> Q:
    """Whether the key or the name has a text in it; `of` leads to the thing that has both, such as `tag__`."""
    return Q(**{f"{of}key__icontains": term}) | Q(**{f"{of}name__icontains": term})


def free_key(name: str, taken: Collection[str], *, otherwise: str) -> str:
    """A key made of a name, with a number where it is taken."""
    stem = stem_of(name, otherwise)
    numbered = (f"{stem}-{n}" if n > 1 else stem for n in count(1))
    return next(key for key in numbered if key not in taken and key not in RESERVED_KEYS)


def free_key_among(things: Manager[Any], name: str, *, otherwise: str) -> str:
    """A key made of a name that none of the things has."""
    found = things.filter(key__startswith=stem_of(name, otherwise)).values_list("key", flat=True)
    return free_key(name, set(found), otherwise=otherwise)


def give_keys(parts: Iterable[Any], *, otherwise: str) -> None:
    """Make keys of the names for those parts of one thing that have none."""
    parts = list(parts)
    taken = {part.key for part in parts if part.key}
    for part in parts:
        if not part.key:
            part.key = free_key(part.name, taken, otherwise=otherwise)
            taken.add(part.key)
