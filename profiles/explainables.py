"""What can be explained of a person: why they are in a segment, carry a tag, stand in a tier, or why not.

Each app brings its own in `<app>/explainables.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from django.utils.functional import Promise

from cdp.rules.causes import Cause


class Outcome(NamedTuple):
    """What a rule gives, in the order of preference: a tier, a value of a tag; `key` is "" for the thing itself.

    `rule` is rule JSON; None takes everybody whom none before it took.
    """

    key: str
    name: str
    rule: Any


class Settled(NamedTuple):
    """Why no rule decides who is in: a word for programs, a sentence for people."""

    code: str
    reason: Promise | str


class Standing(NamedTuple):
    """What is written of a person: the key of the outcome, since when, and until when where that is known.

    `by` is `rule`, `hand` or `import`.
    """

    outcome: str
    since: datetime
    until: datetime | None = None
    by: str = "rule"


class Turn(NamedTuple):
    """One entry, exit or move from the feed; outcomes by key, None is none."""

    before: str | None
    after: str | None
    cause: Cause
    at: datetime

    @property
    def change(self) -> str:
        if self.before is None:
            return "entered"
        return "left" if self.after is None else "moved"


@dataclass(frozen=True)
class Filled:
    """A segment, tag or tier scheme. `settled` is None where its rules decide."""

    pk: int
    key: str
    name: str
    outcomes: Sequence[Outcome]
    settled: Settled | None = None
    refreshed_at: datetime | None = None
    refresh_error: str = ""


class Explainable(ABC):
    """One kind of such things. `prefix` starts the keys of its holders, and names its catalogue.

    `parameter` asks for one in a query, `parts` names its outcomes there where there may be several. `permissions` are
    all needed. `page` is the name of its page in the admin.
    """

    prefix: ClassVar[str]
    parameter: ClassVar[str]
    parts: ClassVar[str] = ""
    label: ClassVar[Promise | str]
    permissions: ClassVar[tuple[str, ...]]
    page: ClassVar[str]

    @abstractmethod
    def find(self, key: str) -> Filled | None:
        """The thing of this key, None where there is none."""

    @abstractmethod
    def standing(self, filled: Filled, profile_id: int, now: datetime) -> Standing | None:
        """What is written of the person, None where they are not in."""

    def turns(self, filled: Filled, profile_id: int, limit: int) -> list[Turn]:
        """The latest entries and exits, the latest first; none where there is no feed."""
        return []


_explainables: dict[str, Explainable] = {}


def register_explainable(explainable: type[Explainable]) -> type[Explainable]:
    """Class decorator."""
    _explainables[explainable.parameter] = explainable()
    return explainable


def all_explainables() -> dict[str, Explainable]:
    """By parameter."""
    return dict(_explainables)
