"""Names that rules speak of: attributes, events, tags, segments, score models.

The app that owns a kind of name tells here how to look many up at once. Parsing a rule asks each
catalogue at most once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise

Load = Callable[[Set[str]], Mapping[str, Any]]


@dataclass(frozen=True)
class Option:
    """A name to choose, as the builder of rules offers it.

    `type` is that of the value behind the name, where it has one; `options` are the names below it: the values of a
    tag, the fields of a score.
    """

    value: str
    label: str
    hint: str = ""
    type: str = ""
    options: tuple[Option, ...] = ()

    def as_json(self) -> dict[str, Any]:
        below = [option.as_json() for option in self.options]
        shown = {"value": self.value, "label": self.label, "hint": self.hint, "type": self.type, "options": below}
        return {key: part for key, part in shown.items() if part or key in ("value", "label")}


@dataclass(frozen=True)
class Wanted:
    """What the builder asks for: the options of these `names`, or at most `limit` that have `term` in name or label."""

    term: str = ""
    names: frozenset[str] = frozenset()
    limit: int = 100

    def among(self, options: Iterable[Option]) -> list[Option]:
        """Those of a few options that are wanted."""
        if self.names:
            return [option for option in options if option.value in self.names]
        term = self.term.casefold()
        found = [each for each in options if term in each.value.casefold() or term in each.label.casefold()]
        return found[: self.limit]


Offer = Callable[[Wanted], Sequence[Option]]


@dataclass(frozen=True)
class Catalogue:
    """`load(names)` gives what is known of each; one that it leaves out is an error: `missing`, with %(name)s.

    `offer` tells what there is to choose from.
    """

    load: Load
    missing: Promise | str
    offer: Offer


_catalogues: dict[str, Catalogue] = {}


def nothing_to_offer(wanted: Wanted) -> list[Option]:
    return []


def add_catalogue(kind: str, load: Load, *, missing: Promise | str, offer: Offer = nothing_to_offer) -> None:
    """Tell how names of a `kind` are looked up and offered; called once, where the app's registry is filled."""
    _catalogues[kind] = Catalogue(load, missing, offer)


def catalogue(kind: str) -> Catalogue:
    return _catalogues[kind]


def catalogue_kinds() -> list[str]:
    """Every kind of name."""
    return list(_catalogues)
