"""One spelling for every identifier, so that the same key of the same person is the same row.

A normaliser, one file in `profiles/normalisers/`, is registered under the key that `IdentifierKind.normaliser` names.
It answers None for what cannot be such an identifier; `normalise` also answers None for values that never name anybody.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from django.utils.functional import Promise

from profiles.models import IdentifierKind

MAX_LENGTH = 400  # of Identifier.value

# What broken clients send in place of an identifier, whatever the kind; compared without case.
BLOCKED_VALUES = frozenset(
    ["null", "nil", "none", "undefined", "nan", "na", "n/a", "unknown", "anonymous", "guest", "empty", "void", "false",
     "true", "-1", "(null)", "(none)", "<null>", "[null]", "{}", "[]", "[object object]", "[objectobject]"]
)  # fmt: skip
# What web pages and workbooks put between characters: soft hyphens, marks of direction, the byte order mark.
# Not joiners: in Persian and in Indic languages they tell words apart.
UNSEEN = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
ONLY_ZEROS = re.compile(r"[\s0.:_+-]*")  # 0, 000…, the zero UUID, and nothing at all

Normaliser = Callable[[str, str], str | None]
_normalisers: dict[str, Normaliser] = {}
_labels: dict[str, str | Promise] = {}


def normaliser(key: str, label: str | Promise) -> Callable[[Normaliser], Normaliser]:
    """Register a function (text, region) -> normalised text or None. The text comes stripped and NFKC-folded.

    `label` tells operators who choose one what it makes of a value.
    """

    def register(function: Normaliser) -> Normaliser:
        _normalisers[key] = function
        _labels[key] = label
        return function

    return register


def all_normalisers() -> dict[str, str | Promise]:
    """Labels by key, in the order of the keys."""
    return dict(sorted(_labels.items()))


def normalise(kind: IdentifierKind, value: str, region: str) -> str | None:
    """The one spelling of `value`, or None where it is not a `kind` or is blocked.

    `region` (two capital letters) is the country of phone numbers written without one.
    """
    normalised = spell(kind.normaliser, value, region)
    return None if normalised in kind.blocked_values else normalised


@lru_cache(maxsize=100_000)  # a phone number or an address takes 40 µs, and the same ones come again and again
def spell(key: str, value: str, region: str) -> str | None:
    """What the normaliser `key` makes of `value`, whether or not a kind blocks that; None where it can name nobody."""
    folded = fold(value)
    if is_blocked(folded):
        return None
    normalised = _normalisers[key](folded, region)
    if normalised is None:
        return None
    if normalised != folded and is_blocked(normalised := fold(normalised)):
        return None
    return normalised if len(normalised) <= MAX_LENGTH else None


def fold(value: str) -> str:
    """One spelling for characters of several, and none for those that nobody sees: full-width digits are digits. A
    change of case may need it again.
    """
    return value.strip() if value.isascii() else unicodedata.normalize("NFKC", UNSEEN.sub("", value)).strip()


def is_blocked(value: str) -> bool:
    """Whether `value` names nobody in any kind."""
    return value.casefold() in BLOCKED_VALUES or ONLY_ZEROS.fullmatch(value) is not None
