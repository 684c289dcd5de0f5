"""`event`: what somebody did, how often and how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar, Self

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from cdp.json_field import json_number
from cdp.rules.base import Cover, Given, Operator, Param, register_operator
from cdp.rules.comparison import Comparison, read_comparison
from cdp.rules.errors import Wrong
from cdp.rules.face import Face
from cdp.rules.facts import Fact, Owner, ago, since
from cdp.rules.operands import ColumnOperand
from cdp.rules.scope import Scope, in_periods
from cdp.rules.shapes import Anything, Text
from cdp.rules.sql import FALSE, TRUE, AmongGroups, Not, Sql
from cdp.rules.types import ValueType
from cdp.rules.windows import EVER, Window, WindowShape
from cdp.rules.words.number import zero_matches
from profiles.models import Event
from profiles.operators.happening import EVENTS, EventNames, Happening, never_sent, parts_of
from profiles.operators.measures import Measure, MeasureShape, Test
from profiles.operators.properties import PropertyCondition, WhereShape
from profiles.operators.tallies import Asked, Tally, tallies

# Whole phrases, as in EVENTS.
DID = {
    (False, False): gettext_lazy("did %(names)s"),
    (True, False): gettext_lazy("did %(names)s %(window)s"),
    (False, True): gettext_lazy("did %(names)s (where %(conditions)s)"),
    (True, True): gettext_lazy("did %(names)s %(window)s (where %(conditions)s)"),
}
NEVER_DID = {
    (False, False): gettext_lazy("never did %(names)s"),
    (True, False): gettext_lazy("never did %(names)s %(window)s"),
    (False, True): gettext_lazy("never did %(names)s (where %(conditions)s)"),
    (True, True): gettext_lazy("never did %(names)s %(window)s (where %(conditions)s)"),
}
COUNT = Measure("count")
AT_LEAST_ONE = Comparison(ValueType.NUMBER, "gte", 1)


@register_operator
@dataclass(frozen=True)
class EventMeasured(Operator):
    """A measure of the events of some names, within a window, that meet conditions, compared as a number."""

    op: ClassVar = "event"
    face: ClassVar = Face(
        gettext_lazy("Event"), "bolt", 2, typed_by=ValueType.NUMBER, defaults={"is": "gte", "value": 1}
    )
    params: ClassVar = {
        "name": Param(EventNames()),
        "where": Param(WhereShape(), required=False),
        "within": Param(WindowShape(), required=False),
        "measure": Param(MeasureShape(), required=False),
        "is": Param(Text(), required=False),
        "value": Param(Anything(), required=False),
    }

    names: tuple[str, ...]
    called: tuple[str | Promise, ...] = field(compare=False)
    definition_ids: tuple[int, ...]
    where: Sequence[PropertyCondition] = ()
    within: Window = EVER
    measure: Measure = COUNT
    comparison: Comparison = AT_LEAST_ONE

    @classmethod
    def build(cls, given: Given) -> Self | Wrong:
        params, comparison = given.params, _comparison(given)
        if isinstance(comparison, Wrong):
            return comparison
        events = Happening.build(params, given.known["event"])
        return cls(
            names=events.names,
            called=events.called,
            definition_ids=events.definition_ids,
            where=events.where,
            within=params.get("within", EVER),
            measure=params.get("measure", COUNT),
            comparison=comparison,
        )

    @classmethod
    def check(cls, given: Given) -> Wrong | None:
        comparison = _comparison(given)
        return comparison if isinstance(comparison, Wrong) else None

    def predicate(self, scope: Scope, now: datetime) -> Q:
        if self.comparison.is_denial:
            return ~self._matches(self.comparison.denied, scope, now)
        return self._matches(self.comparison, scope, now)

    def clock(self, after: datetime, until: datetime) -> Q | None:
        """Who has an event that meets the conditions and comes into the window or goes out of it. One that happens in
        (after, until] is on the queue, due at its time.
        """
        periods = self.within.clock(after, until)
        if not periods or not self.definition_ids:
            return None
        conditions = self.measure.conditions_on_events(self.where, until)
        events = Event.objects.filter(*map(Q, conditions), definition_id__in=self.definition_ids)
        return Q(pk__in=events.filter(in_periods("occurred_at", periods)).values("profile_id"))

    @classmethod
    def evidence(cls, conditions: Sequence[Self], profile_id: int, now: datetime) -> list[list[Fact]]:
        """How many events there are of how many, the last of them, and what was measured."""
        asked = [asked for each in conditions for asked in each._asked(profile_id, now)]
        found = tallies(asked, profile_id)
        pairs = zip(conditions, found[::2], found[1::2], strict=True)
        return [each._found(met, named, now) for each, met, named in pairs]

    def _asked(self, profile_id: int, now: datetime) -> tuple[Asked, Asked]:
        """Those that meet the conditions, with their measure; and all of the names in the window."""
        scope = Scope([profile_id])
        met = self._events(self.measure.conditions_on_events(self.where, now), scope, now)
        return Asked(met, self.measure.of_one(met, self.where, now)), Asked(self._events([], scope, now))

    def _found(self, met: Tally, named: Tally, now: datetime) -> list[Fact]:
        if not self.definition_ids:
            return [never_sent(self.called)]
        window = since(self.within.period(now), now)
        events = str(EVENTS[bool(window), False]) % {**parts_of(self.called, EVER, ()), "window": window}
        facts = [counted(met.n, named.n, events, is_narrowed=bool(self.where))]
        if self.measure.kind != "count" and met.measured is not None:
            owner = Owner("property", ".".join(self.measure.of.path)) if self.measure.of else None
            value = json_number(met.measured)
            facts.append(
                Fact(gettext_lazy("%(subject)s: %(value)s"), {"subject": self.measure.describe(events)}, value, owner)
            )
        if met.last is not None:
            facts.append(Fact(gettext_lazy("the last was %(when)s"), {"when": ago(met.last, now)}, at=met.last))
        return facts

    def topics(self) -> frozenset[str]:
        return frozenset(f"event:{name}" for name in self.names)

    def covered(self, cover: Cover) -> Self:
        return replace(self, where=tuple(each.covered(cover) for each in self.where))

    def describe(self) -> str:
        if _asks_existence(self.measure, self.comparison):
            return self._phrase(DID)
        if _asks_absence(self.measure, self.comparison):
            return self._phrase(NEVER_DID)
        return self.comparison.describe(self.measure.describe(self._phrase(EVENTS)))

    def describe_denied(self) -> str:
        if _asks_existence(self.measure, self.comparison):
            return self._phrase(NEVER_DID)
        return self._phrase(DID) if _asks_absence(self.measure, self.comparison) else ""

    def _phrase(self, phrases: Mapping[tuple[bool, bool], object]) -> str:
        parts = parts_of(self.called, self.within, self.where)
        return str(phrases[bool(parts["window"]), bool(parts["conditions"])]) % parts

    def _matches(self, comparison: Comparison, scope: Scope, now: datetime) -> Q:
        """A comparison that denies nothing. Where no events match, those are left out whose events do not."""
        if _asks_existence(self.measure, comparison):
            return self._exists(scope, now)
        if _asks_absence(self.measure, comparison):
            return ~self._exists(scope, now)
        if self.measure.is_never_missing and comparison.word == "set":
            return Q(TRUE)
        if self.measure.is_never_missing and zero_matches(comparison.word, comparison.value):
            return ~self._among(lambda measured: Not(_tested(measured, comparison, now)), scope, now)
        return self._among(lambda measured: _tested(measured, comparison, now), scope, now)

    def _events(self, conditions: Sequence[Sql], scope: Scope, now: datetime) -> QuerySet[Event]:
        start, end = self.within.period(now)
        events = Event.objects.filter(scope.on("profile_id"), definition_id__in=self.definition_ids)
        if start is not None:
            events = events.filter(occurred_at__gte=start)
        return events.filter(*map(Q, conditions), occurred_at__lt=end)

    def _exists(self, scope: Scope, now: datetime) -> Q:
        if not self.definition_ids:
            return Q(FALSE)
        conditions = COUNT.conditions_on_events(self.where, now)
        return Q(Exists(self._events(conditions, scope, now).filter(profile_id=OuterRef("pk"))))

    def _among(self, test: Test, scope: Scope, now: datetime) -> Q:
        """Profiles with something to measure, of whose measure the test holds."""
        if not self.definition_ids:
            return Q(FALSE)
        events = self._events(self.measure.conditions_on_events(self.where, now), scope, now)
        return Q(AmongGroups(F("pk"), self.measure.among(events, self.where, test, now)))


def _comparison(given: Given) -> Comparison | Wrong:
    """What the measure is compared with; at least 1 where nothing is said."""
    if given.has("is"):
        return read_comparison(given.params, ValueType.NUMBER, given.at)
    if given.has("value") and given.lacks("is"):
        return given.at.key("is").report(_("is required"))
    return AT_LEAST_ONE


def _tested(measured: Sql, comparison: Comparison, now: datetime) -> Sql:
    """The comparison of the measure, NULL where that is missing."""
    return comparison.test(ColumnOperand(measured), now)


def _asks_existence(measure: Measure, comparison: Comparison) -> bool:
    """Whether it only asks for one event, which an index answers without counting."""
    match measure.kind, comparison:
        case "count" | "days", Comparison(word="gte", value=least):
            return bool(0 < least <= 1)
        case "count" | "days", Comparison(word="gt", value=least):
            return bool(0 <= least < 1)
        case _:
            return False


def _asks_absence(measure: Measure, comparison: Comparison) -> bool:
    match measure.kind, comparison:
        case "count" | "days", Comparison(word="lt", value=most):
            return bool(0 < most <= 1)
        case "count" | "days", Comparison(word="lte", value=most):
            return bool(0 <= most < 1)
        case "count" | "days", Comparison(word="eq", value=count):
            return bool(count == 0)
        case _:
            return False


def counted(n_met: int, n_named: int, events: str, *, is_narrowed: bool) -> Fact:
    """How many; and of how many where there are conditions, or others that were not measured."""
    parts = {"events": events, "n": n_met, "total": n_named}
    if not n_named:
        return Fact(gettext_lazy("no %(events)s"), parts, 0)
    if n_met == n_named and not is_narrowed:
        return Fact(ngettext_lazy("%(n)s time %(events)s", "%(n)s times %(events)s", "n"), parts, n_met)
    return Fact(gettext_lazy("%(n)s of %(total)s times %(events)s"), parts, n_met)
