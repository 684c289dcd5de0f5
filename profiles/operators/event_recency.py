"""`event_recency`: how long ago somebody first or last did something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, ngettext_lazy

from cdp.rules.base import Cover, Given, Operator, Param, register_operator
from cdp.rules.face import Face
from cdp.rules.facts import Fact, ago
from cdp.rules.scope import Scope, in_periods
from cdp.rules.shapes import DAYS, OneOf
from cdp.rules.slab import passing
from cdp.rules.sql import FALSE
from profiles.models import Event
from profiles.operators.happening import EventNames, Happening, never_sent, no_such_event
from profiles.operators.properties import WhereShape
from profiles.operators.tallies import Asked, Tally, tallies

FIRST, LAST = "first", "last"
WITHIN, BEFORE = "within", "before"
WHICH = {FIRST: gettext_lazy("for the first time"), LAST: gettext_lazy("for the last time")}
IS = {WITHIN: gettext_lazy("within so many days"), BEFORE: gettext_lazy("longer ago than so many days")}
FOUND = {
    FIRST: gettext_lazy("the first %(events)s: %(when)s"),
    LAST: gettext_lazy("the last %(events)s: %(when)s"),
}
SENTENCES: dict[tuple[str, str], Promise] = {
    (FIRST, WITHIN): ngettext_lazy(
        "did %(events)s for the first time in the last %(n)d day",
        "did %(events)s for the first time in the last %(n)d days",
        "n",
    ),
    (FIRST, BEFORE): ngettext_lazy(
        "did %(events)s for the first time at least %(n)d day ago",
        "did %(events)s for the first time at least %(n)d days ago",
        "n",
    ),
    (LAST, WITHIN): ngettext_lazy(
        "did %(events)s for the last time in the last %(n)d day",
        "did %(events)s for the last time in the last %(n)d days",
        "n",
    ),
    (LAST, BEFORE): ngettext_lazy(
        "did %(events)s for the last time at least %(n)d day ago",
        "did %(events)s for the last time at least %(n)d days ago",
        "n",
    ),
}


@register_operator
@dataclass(frozen=True)
class EventRecency(Operator):
    """The first or last event that meets conditions lies in (now - days, now], or before. Without one, neither holds.

    Comparing it needs no first or last: the last is within where any is, and before where one is and none is within.
    """

    op: ClassVar = "event_recency"
    face: ClassVar = Face(
        gettext_lazy("First or last event"),
        "history",
        3,
        starts={"which": LAST, "is": WITHIN, "days": 30},
    )
    params: ClassVar = {
        "name": Param(EventNames()),
        "where": Param(WhereShape(), required=False),
        "which": Param(OneOf((FIRST, LAST), WHICH)),
        "is": Param(OneOf((WITHIN, BEFORE), IS)),
        "days": Param(DAYS),
    }

    happening: Happening
    which: str
    word: str
    days: int

    @classmethod
    def build(cls, given: Given) -> Self:
        happening = Happening.build(given.params, given.known["event"])
        return cls(happening, given["which"], given["is"], given["days"])

    def predicate(self, scope: Scope, now: datetime) -> Q:
        if not self.happening.definition_ids:
            return Q(FALSE)
        edge = now - timedelta(days=self.days)
        events = self.happening.events(now).filter(scope.on("profile_id"), profile_id=OuterRef("pk"))
        is_within = _exists(events.filter(occurred_at__gt=edge, occurred_at__lte=now))
        is_before = _exists(events.filter(occurred_at__lte=edge))
        match self.which, self.word:
            case "first", "within":
                return is_within & ~is_before
            case "first", "before":
                return is_before
            case "last", "within":
                return is_within
            case _last_before:
                return is_before & ~is_within

    def clock(self, after: datetime, until: datetime) -> Q | None:
        """Who has an event that becomes older than the days."""
        if not self.happening.definition_ids:
            return None
        aged = in_periods("occurred_at", passing(after, until, -timedelta(days=self.days)))
        return Q(pk__in=self.happening.events(until).filter(aged).values("profile_id"))

    @classmethod
    def evidence(cls, conditions: Sequence[Self], profile_id: int, now: datetime) -> list[list[Fact]]:
        """When the first or the last was."""
        asked = [Asked(each.happening.events(now).filter(occurred_at__lte=now)) for each in conditions]
        pairs = zip(conditions, tallies(asked, profile_id), strict=True)
        return [[each._found(tally, now)] for each, tally in pairs]

    def _found(self, tally: Tally, now: datetime) -> Fact:
        if not self.happening.definition_ids:
            return never_sent(self.happening.called)
        at = tally.first if self.which == FIRST else tally.last
        if at is None:
            return no_such_event(self.happening)
        parts = {"events": self.happening.named, "when": ago(at, now)}
        return Fact(FOUND[self.which], parts, at=at)

    def topics(self) -> frozenset[str]:
        return self.happening.topics()

    def covered(self, cover: Cover) -> Self:
        return replace(self, happening=self.happening.covered(cover))

    def describe(self) -> str:
        return str(SENTENCES[self.which, self.word] % {"events": self.happening.describe(), "n": self.days})


def _exists(events: QuerySet[Event]) -> Q:
    return Q(Exists(events))
