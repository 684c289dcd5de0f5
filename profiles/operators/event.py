"""`event`: what somebody did, how often and how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, Self

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from cdp.rules.base import Cover, Given, Operator, Param, register_operator
from cdp.rules.catalogue import add_catalogue
from cdp.rules.comparison import Comparison, read_comparison
from cdp.rules.errors import WRONG, Place, Wrong
from cdp.rules.operands import ColumnOperand
from cdp.rules.scope import Scope, in_periods
from cdp.rules.shapes import Anything, ListOf, Name, NameOf, Shape, Text
from cdp.rules.sql import FALSE, TRUE, AmongGroups, Not, Sql
from cdp.rules.types import ValueType
from cdp.rules.windows import EVER, Window, WindowShape
from cdp.rules.words.number import zero_matches
from profiles.models import Event, EventDefinition
from profiles.operators.measures import Measure, MeasureShape
from profiles.operators.properties import PropertyCondition, WhereShape

# Whole phrases, by whether there is a window and whether there are conditions: languages put these elsewhere.
EVENTS = {
    (False, False): "%(names)s",
    (True, False): gettext_lazy("%(names)s %(window)s"),
    (False, True): gettext_lazy("%(names)s (where %(conditions)s)"),
    (True, True): gettext_lazy("%(names)s %(window)s (where %(conditions)s)"),
}
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


def load_events(names: Set[str]) -> Mapping[str, int | None]:
    """The ids of definitions; None for an event that nobody has sent yet, which matches nobody."""
    ids = dict(EventDefinition.objects.filter(name__in=names).values_list("name", "pk"))
    return {name: ids.get(name) for name in names}


add_catalogue("event", load_events, missing="")


class EventNames(Shape):
    """An event's name, or a list of them; read as a tuple."""

    one = NameOf("event")
    many = ListOf(one)

    def read(self, raw: Any, at: Place) -> Any:
        if isinstance(raw, list):
            return self.many.read(raw, at)
        name = self.one.read(raw, at)
        return WRONG if name is WRONG else (name,)

    def names(self, value: tuple[str, ...], at: Place) -> Iterator[Name]:
        return self.many.names(value, at)


@register_operator
@dataclass(frozen=True)
class EventMeasured(Operator):
    """A measure of the events of some names, within a window, that meet conditions, compared as a number."""

    op: ClassVar = "event"
    params: ClassVar = {
        "name": Param(EventNames()),
        "where": Param(WhereShape(), required=False),
        "within": Param(WindowShape(), required=False),
        "measure": Param(MeasureShape(), required=False),
        "is": Param(Text(), required=False),
        "value": Param(Anything(), required=False),
    }

    names: tuple[str, ...]
    definition_ids: tuple[int, ...]
    where: Sequence[PropertyCondition] = ()
    within: Window = EVER
    measure: Measure = COUNT
    comparison: Comparison = AT_LEAST_ONE

    @classmethod
    def build(cls, given: Given) -> Self | Wrong:
        params = given.params
        comparison: Comparison | Wrong = AT_LEAST_ONE
        if "is" in params:
            comparison = read_comparison(params, ValueType.NUMBER, given.at)
        elif "value" in params:
            comparison = given.at.key("is").report(_("is required"))
        if isinstance(comparison, Wrong):
            return comparison
        ids = [given.known["event"][name] for name in params["name"]]
        return cls(
            names=params["name"],
            definition_ids=tuple(sorted({pk for pk in ids if pk is not None})),
            where=params.get("where", ()),
            within=params.get("within", EVER),
            measure=params.get("measure", COUNT),
            comparison=comparison,
        )

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

    def topics(self) -> frozenset[str]:
        return frozenset(f"event:{name}" for name in self.names)

    def covered(self, cover: Cover) -> Self:
        return replace(self, where=tuple(each.covered(cover) for each in self.where))

    def describe(self) -> str:
        parts = _parts(self.names, self.within, self.where)
        which = bool(parts["window"]), bool(parts["conditions"])
        if _asks_existence(self.measure, self.comparison):
            return str(DID[which]) % parts
        if _asks_absence(self.measure, self.comparison):
            return str(NEVER_DID[which]) % parts
        return self.comparison.describe(self.measure.describe(str(EVENTS[which]) % parts))

    def _matches(self, comparison: Comparison, scope: Scope, now: datetime) -> Q:
        """A comparison that denies nothing. Where no events match, those are left out whose events do not."""
        if _asks_existence(self.measure, comparison):
            return self._exists(scope, now)
        if _asks_absence(self.measure, comparison):
            return ~self._exists(scope, now)
        if not self.measure.is_never_missing:
            return self._among(_tested(comparison, now), scope, now)
        if comparison.word == "set":
            return Q(TRUE)
        if zero_matches(comparison.word, comparison.value):
            return ~self._among(Not(_tested(comparison, now)), scope, now)
        return self._among(_tested(comparison, now), scope, now)

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

    def _among(self, tested: Sql, scope: Scope, now: datetime) -> Q:
        """Profiles with events, of whose measure the test holds."""
        if not self.definition_ids:
            return Q(FALSE)
        groups = (
            self._events(self.measure.conditions_on_events(self.where, now), scope, now)
            .values("profile_id")
            .annotate(measured=self.measure.aggregate(self.where, now))
            .filter(Q(tested))
            .values("profile_id")
        )
        return Q(AmongGroups(F("pk"), groups))


def _tested(comparison: Comparison, now: datetime) -> Sql:
    """The comparison of the measure, NULL where that is missing: HAVING takes it for false."""
    return comparison.test(ColumnOperand(F("measured")), now)


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


def _parts(names: Sequence[str], within: Window, where: Sequence[PropertyCondition]) -> dict[str, str]:
    return {
        "names": pgettext("between names", " or ").join(_("“%(text)s”") % {"text": name} for name in names),
        "window": within.describe(),
        "conditions": pgettext("between conditions", " and ").join(each.describe() for each in where),
    }
