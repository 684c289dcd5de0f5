"""How one value is chosen when sources disagree: what each survivorship needs to know beside the last value.

`most_recent` and `source_rank` need nothing more, and are folded in SQL (records.py). Each of the others is a
Policy here: what it keeps of every value said, in `Contribution.kept`, and what it chooses of that. To keep must not
depend on the order in which values come, nor on how often the same one does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import orjson

from cdp.json_field import has_64_bits
from profiles.ingest.coerce import MISFIT, coerce, fixed_width
from profiles.models import AttributeType, Survivorship

Kept = dict[str, Any]  # JSON; `by` names the survivorship and type that it was kept for

EVERY_TYPE = frozenset(AttributeType)
ORDERED_TYPES = frozenset({AttributeType.NUMBER, AttributeType.DATE, AttributeType.DATETIME})
MAX_ITEMS = 100  # of a union: the last said, so that one client cannot make a row grow without end
MAX_ITEM_LENGTH = 200


class Said(NamedTuple):
    """One value of one attribute; the order of two from the same source is that of time, then message id."""

    occurred_at: datetime
    message_id: str
    value: Any
    fits: bool


class Candidate(NamedTuple):
    """What one source said by one identifier, with the rank of the source."""

    kept: Kept
    rank: int
    source_id: int


class Policy(ABC):
    """A survivorship that keeps more than the last value."""

    key: ClassVar[Survivorship]
    types: ClassVar[Collection[AttributeType]]

    def __init__(self, type_: str) -> None:
        self.type = type_
        self.by = f"{self.key}:{type_}"

    def keep(self, kept: Kept | None, said: Said) -> Kept | None:
        """What is known after one more value; one that does not fit is passed over. None: nothing yet."""
        found = self.of(said) if said.fits else None
        return found if kept is None else kept if found is None else self.join(kept, found)

    def joined(self, left: Kept | None, right: Kept | None) -> Kept | None:
        """What is known of both; either may be None."""
        return right if left is None else left if right is None else self.join(left, right)

    @abstractmethod
    def of(self, said: Said) -> Kept | None:
        """What is kept of a single value that fits, which is None where it says "missing"."""

    @abstractmethod
    def join(self, left: Kept, right: Kept) -> Kept:
        """What is kept of both: the same in any order, and of the same twice the same."""

    @abstractmethod
    def choose(self, candidates: Sequence[Candidate]) -> Any:
        """The value of the golden record, None where it is missing; `candidates` are never empty."""


class First(Policy):
    """The earliest value. Ties: higher source rank, greater message id. "Missing" wins like any other."""

    key = Survivorship.FIRST
    types = EVERY_TYPE

    def of(self, said: Said) -> Kept:
        return {"by": self.by, "value": said.value, "at": fixed_width(said.occurred_at), "id": said.message_id}

    def join(self, left: Kept, right: Kept) -> Kept:
        if left["at"] != right["at"]:
            return min(left, right, key=lambda kept: kept["at"])
        return max(left, right, key=lambda kept: kept["id"])

    def choose(self, candidates: Sequence[Candidate]) -> Any:
        earliest = min(candidate.kept["at"] for candidate in candidates)
        tied = [candidate for candidate in candidates if candidate.kept["at"] == earliest]
        return max(tied, key=lambda each: (each.rank, each.kept["id"], each.source_id)).kept["value"]


class Extreme(Policy):
    """The greatest or the smallest value that anybody ever said. "Missing" is neither."""

    types = ORDERED_TYPES
    better: ClassVar[Any]

    def of(self, said: Said) -> Kept | None:
        return None if said.value is None else {"by": self.by, "value": said.value}

    def join(self, left: Kept, right: Kept) -> Kept:
        return {"by": self.by, "value": self.better(left["value"], right["value"])}

    def choose(self, candidates: Sequence[Candidate]) -> Any:
        return self.better(candidate.kept["value"] for candidate in candidates)


class Greatest(Extreme):
    key = Survivorship.MAX
    better = max


class Smallest(Extreme):
    key = Survivorship.MIN
    better = min


class Union(Policy):
    """Every item that any list ever had, each once, in alphabetical order; "missing" adds and removes nothing.

    Beyond MAX_ITEMS those go that were said longest ago. Texts over MAX_ITEM_LENGTH are left out.
    """

    key = Survivorship.UNION
    types = frozenset({AttributeType.LIST})

    def of(self, said: Said) -> Kept | None:
        at = fixed_width(said.occurred_at)
        items = {as_text(item): at for item in said.value or () if len(as_text(item)) <= MAX_ITEM_LENGTH + 2}
        return self._bounded(items) if items else None

    def join(self, left: Kept, right: Kept) -> Kept:
        items = dict(left["items"])
        for item, at in right["items"].items():
            items[item] = max(items.get(item, at), at)
        return self._bounded(items)

    def choose(self, candidates: Sequence[Candidate]) -> list[Any]:
        whole = candidates[0].kept
        for candidate in candidates[1:]:
            whole = self.join(whole, candidate.kept)
        return [orjson.loads(item) for item in sorted(whole["items"])]

    def _bounded(self, items: dict[str, str]) -> Kept:
        latest = sorted(items, key=lambda item: (items[item], item), reverse=True)[:MAX_ITEMS]
        return {"by": self.by, "items": {item: items[item] for item in sorted(latest)}}


def as_text(item: Any) -> str:
    """An item of a list as JSON: 1 and 1.0 are the same one, "1" and true are others."""
    is_whole = isinstance(item, float) and item.is_integer() and has_64_bits(item)
    return orjson.dumps(int(item) if is_whole else item).decode()


POLICIES: dict[str, type[Policy]] = {policy.key: policy for policy in (First, Greatest, Smallest, Union)}


@lru_cache
def policy_of(survivorship: str, type_: str) -> Policy | None:
    """None where the last values are enough."""
    policy = POLICIES.get(survivorship)
    return policy(type_) if policy else None


def fitting_types(survivorship: str) -> Collection[AttributeType]:
    """The types of attributes that a survivorship can choose among."""
    policy = POLICIES.get(survivorship)
    return policy.types if policy else EVERY_TYPE


def fitting_survivorships(type_: str) -> list[Survivorship]:
    """In the order of the choices."""
    return [survivorship for survivorship in Survivorship if type_ in fitting_types(survivorship)]


def kept_by(policy: Policy, kept: Kept | None, last: Said) -> Kept | None:
    """What a contribution keeps for `policy`. One that kept nothing yet, or for another policy or type, has its last
    value, which may be of another type too until everybody is folded again.
    """
    if kept is not None and kept.get("by") == policy.by:
        return kept
    value = coerce(last.value, policy.type)
    return policy.keep(None, last._replace(value=value, fits=value is not MISFIT))
