"""Names that rules speak of: attributes, events, tags, segments, score models.

The app that owns a kind of name tells here how to look many up at once. Parsing a rule asks each
catalogue at most once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise

Load = Callable[[Set[str]], Mapping[str, Any]]


@dataclass(frozen=True)
class Catalogue:
    """`load(names)` gives what is known of each; one that it leaves out is an error: `missing`, with %(name)s."""

    load: Load
    missing: Promise | str


_catalogues: dict[str, Catalogue] = {}


def add_catalogue(kind: str, load: Load, *, missing: Promise | str) -> None:
    """Tell how names of a `kind` are looked up; called once, where the app's registry is filled."""
    _catalogues[kind] = Catalogue(load, missing)


def catalogue(kind: str) -> Catalogue:
    return _catalogues[kind]
