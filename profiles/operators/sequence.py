"""`sequence`: what somebody did one after the other, and then did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Many
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce
from operator import and_, or_
from typing import Any, ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db.models import BooleanField, DateTimeField, ExpressionWrapper, F, Q, QuerySet, Value
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy, pgettext

from cdp.rules.base import Cover, Given, Operator, Param, register_operator
from cdp.rules.days import TICK, Period, length_of
from cdp.rules.errors import Wrong
from cdp.rules.face import Face
from cdp.rules.facts import Fact, ago
from cdp.rules.scope import Scope, in_periods
from cdp.rules.sequences import AmongSequences, ChainOfSequence
from cdp.rules.shapes import SPAN, Fields, ListOf, show_span
from cdp.rules.slab import passing
from cdp.rules.sql import FALSE, TRUE
from cdp.rules.windows import EVER, Window, WindowShape
from profiles.models import Event, Profile
from profiles.operators.happening import EventNames, Happening, never_sent
from profiles.operators.properties import WhereShape
from profiles.operators.tallies import Asked, Tally, tallies

# By whether there is a gap and whether there is a window.
SENTENCES = {
    (False, False): gettext_lazy("did %(steps)s"),
    (True, False): gettext_lazy("did %(steps)s, each at most %(gap)s after the one before"),
    (False, True): gettext_lazy("did %(steps)s, all %(window)s"),
    (True, True): gettext_lazy("did %(steps)s, each at most %(gap)s after the one before, all %(window)s"),
}


STEP_FOUND = gettext_lazy("step %(place)s, %(events)s: %(when)s")
NO_CHAIN = Value(None, output_field=ArrayField(DateTimeField()))
MOST_EXPLAINED = 100  # by one statement


class StepShape(Fields):
    """`{"name", "where"}`; it counts as a condition."""

    def n_conditions(self, value: Mapping[str, Any]) -> int:
        return 1 + super().n_conditions(value)


STEP = StepShape({"name": EventNames(), "where": WhereShape()}, optional=frozenset({"where"}))


@register_operator
@dataclass(frozen=True)
class Sequence(Operator):
    """Did the steps in this order, each strictly later than the one before and by at most `gap`.

    All steps lie in `within`; other events may lie between them. With `then_not`, nothing of that kind followed the
    last step for as long as `gap`, which is over by now.
    """

    op: ClassVar = "sequence"
    face: ClassVar = Face(
        gettext_lazy("Sequence of events"),
        "timeline",
        4,
        labels={
            "steps": gettext_lazy("one after the other"),
            "gap": gettext_lazy("each after the one before within"),
            "within": gettext_lazy("all of them"),
            "then_not": gettext_lazy("and then, for as long, not"),
        },
        starts={"steps": [{}, {}]},
    )
    params: ClassVar = {
        "steps": Param(ListOf(STEP, least=2, most=8)),
        "gap": Param(SPAN, required=False),
        "within": Param(WindowShape(), required=False),
        "then_not": Param(STEP, required=False),
    }

    steps: tuple[Happening, ...]
    gap: tuple[str, int] | None = None
    within: Window = EVER
    then_not: Happening | None = None

    @classmethod
    def build(cls, given: Given) -> Self | Wrong:
        params, known = given.params, given.known["event"]
        if isinstance(wrong := _without_gap(given), Wrong):
            return wrong
        return cls(
            steps=tuple(Happening.build(step, known) for step in params["steps"]),
            gap=params.get("gap"),
            within=params.get("within", EVER),
            then_not=Happening.build(params["then_not"], known) if "then_not" in params else None,
        )

    @classmethod
    def check(cls, given: Given) -> Wrong | None:
        return _without_gap(given)

    def predicate(self, scope: Scope, now: datetime) -> Q:
        if not self._may_be:
            return Q(FALSE)
        return Q(self._among(AmongSequences, scope, now))

    def _among(self, asked: type[AmongSequences], scope: Scope, now: datetime) -> AmongSequences:
        return asked(
            F("pk"),
            self._events(scope, now),
            n_steps=len(self.steps),
            gap=length_of(self.gap) if self.gap else None,
            has_then_not=self._has_then_not,
        )

    def clock(self, after: datetime, until: datetime) -> Q | None:
        """Who has a step that goes out of the window or comes into it, or a last step after which the wait is over."""
        if not self._may_be:
            return None
        slabs = [(step, self.within.clock(after, until)) for step in self.steps]
        if self._wait:
            slabs.append((self.steps[-1], passing(after, until, -self._wait)))
        found = [_is(step, until) & in_periods("occurred_at", periods) for step, periods in slabs if periods]
        if not found:
            return None
        return Q(pk__in=Event.objects.filter(reduce(or_, found)).values("profile_id"))

    @classmethod
    def evidence(cls, conditions: Many[Self], profile_id: int, now: datetime) -> list[list[Fact]]:
        """When which of the steps were found."""
        if len(conditions) > MOST_EXPLAINED:
            first, rest = conditions[:MOST_EXPLAINED], conditions[MOST_EXPLAINED:]
            return [*cls.evidence(first, profile_id, now), *cls.evidence(rest, profile_id, now)]
        scope = Scope([profile_id])
        parts = [part for each in conditions for part in each._parts()]
        chains = [part._among(ChainOfSequence, scope, now) if part._may_be else NO_CHAIN for part in parts]
        found = iter(Profile.objects.values_list(*chains).get(pk=profile_id))
        steps = [(each, step) for each in conditions for step in each.steps]
        tally = iter(tallies([Asked(each._within(step, now)) for each, step in steps], profile_id))
        return [
            each._found([next(found) for _part in each._parts()], [next(tally) for _step in each.steps], now)
            for each in conditions
        ]

    def _parts(self) -> list[Self]:
        """The first step, the first two, and so on; then, where nothing may follow, with the wait alone, and whole."""
        parts = [replace(self, steps=self.steps[:n], then_not=None) for n in range(1, len(self.steps) + 1)]
        if self.then_not is None:
            return parts
        waited = replace(self, then_not=replace(self.then_not, definition_ids=()))
        return [*parts, waited, self]

    def _within(self, step: Happening, now: datetime) -> QuerySet[Event]:
        return step.events(now).filter(in_periods("occurred_at", [self.within.period(now)]))

    def _found(self, chains: Many[Many[datetime] | None], counts: Many[Tally], now: datetime) -> list[Fact]:
        """From the chains of `_parts`, and how often each step happened at all."""
        n_steps = len(self.steps)
        reached = [chain for chain in chains[:n_steps] if chain]
        last = chains[-1] or (reached[-1] if reached else [])
        facts = [
            Fact(STEP_FOUND, {"place": place, "events": step.named, "when": ago(at, now)}, at=at)
            for place, (step, at) in enumerate(zip(self.steps, reversed(last), strict=False), start=1)
        ]
        if len(last) < n_steps:
            return [*facts, missing_step(len(last) + 1, self.steps[len(last)], counts[len(last)])]
        return [*facts, *self._what_followed(chains[-2], chains[-1])]

    def _what_followed(self, waited: Many[datetime] | None, all_held: Many[datetime] | None) -> Iterator[Fact]:
        if self.then_not is None or self.gap is None:
            return
        parts = {"events": self.then_not.named, "gap": show_span(self.gap)}
        if all_held:
            yield Fact(gettext_lazy("nothing of %(events)s followed within %(gap)s"), parts)
        elif not waited:
            yield Fact(gettext_lazy("the wait of %(gap)s after the last step is not over"), parts)
        else:
            yield Fact(gettext_lazy("%(events)s followed within %(gap)s"), parts)

    def topics(self) -> frozenset[str]:
        return frozenset().union(*(happening.topics() for happening in self._happenings))

    def covered(self, cover: Cover) -> Self:
        steps = tuple(step.covered(cover) for step in self.steps)
        return replace(self, steps=steps, then_not=self.then_not.covered(cover) if self.then_not else None)

    def describe(self) -> str:
        parts = {
            "steps": pgettext("between steps", ", then ").join(step.describe() for step in self.steps),
            "gap": show_span(self.gap) if self.gap else "",
            "window": self.within.describe(),
        }
        did = str(SENTENCES[bool(self.gap), bool(parts["window"])]) % parts
        if self.then_not is None:
            return did
        parts |= {"did": did, "then_not": self.then_not.describe()}
        return _("%(did)s, and then not %(then_not)s within %(gap)s") % parts

    @property
    def _may_be(self) -> bool:
        """Whether there can be events for every step."""
        return all(step.definition_ids for step in self.steps)

    @property
    def _happenings(self) -> tuple[Happening, ...]:
        return (*self.steps, self.then_not) if self.then_not else self.steps

    @property
    def _wait(self) -> timedelta:
        """How long nothing may have followed the last step."""
        return length_of(self.gap) if self.gap and self.then_not else timedelta(0)

    @property
    def _has_then_not(self) -> bool:
        """Whether there can be events that must not follow: without, waiting is all."""
        return self.then_not is not None and bool(self.then_not.definition_ids)

    def _events(self, scope: Scope, now: datetime) -> list[QuerySet[Any, Any]]:
        """The rows of AmongSequences. A last step lies so far back that the wait is over; what followed it may not."""
        start, end = self.within.period(now)
        assert end is not None
        end = min(end, now - self._wait + TICK)
        flags = {f"step_{place}": _is(step, now) for place, step in enumerate(self.steps)}
        happenings = self.steps
        if self.then_not and self._has_then_not:
            happenings = (*self.steps, self.then_not)
            flags[f"step_{len(self.steps) - 1}"] &= Q(occurred_at__lt=end)
            flags["then_not"] = _is(self.then_not, now)
            end += self._wait
        events = Event.objects.filter(scope.on("profile_id"), in_periods("occurred_at", [Period(start, end)]))
        if not any(happening.where for happening in happenings):
            ids = {pk for happening in happenings for pk in happening.definition_ids}
            return [_flagged(events.filter(definition_id__in=sorted(ids)), flags)]
        # Flags that need the properties are not to be worked out after the events were sorted, properties and all.
        return [
            _flagged(events.filter(flag), {other: Q(TRUE if other == name else FALSE) for other in flags})
            for name, flag in flags.items()
        ]


def _without_gap(given: Given) -> Wrong | None:
    """Report a wait of which nobody says how long it is."""
    if given.lacks("then_not") or not given.lacks("gap"):
        return None
    return given.at.key("gap").report(_("is required with then_not, which holds for so long"))


def _flagged(events: QuerySet[Event], flags: Mapping[str, Q]) -> QuerySet[Any, Any]:
    wrapped = {name: ExpressionWrapper(flag, output_field=BooleanField()) for name, flag in flags.items()}
    rows: QuerySet[Any, Any] = events.annotate(**wrapped).values("profile_id", "occurred_at", *wrapped)
    return rows


def _is(happening: Happening, now: datetime) -> Q:
    """Whether an event is one of those."""
    return reduce(and_, map(Q, happening.conditions(now)), Q(definition_id__in=happening.definition_ids))


def missing_step(place: int, step: Happening, tally: Tally) -> Fact:
    """Why the chain ends before this step: there is no such event, or it lies elsewhere."""
    parts = {"place": place, "events": step.named, "n": tally.n}
    if not step.definition_ids:
        return never_sent(step.called)
    if not tally.n:
        return Fact(gettext_lazy("step %(place)s: no %(events)s"), parts)
    elsewhere = ngettext_lazy(
        "step %(place)s: %(n)s time %(events)s, but not after the steps before it, or not soon enough",
        "step %(place)s: %(n)s times %(events)s, but not after the steps before it, or not soon enough",
        "n",
    )
    return Fact(elsewhere, parts)
