"""`sequence`: what somebody did one after the other, and then did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce
from operator import and_, or_
from typing import Any, ClassVar, Self

from django.db.models import BooleanField, ExpressionWrapper, F, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from cdp.rules.base import Cover, Given, Operator, Param, register_operator
from cdp.rules.days import TICK, Period, length_of
from cdp.rules.errors import Wrong
from cdp.rules.face import Face
from cdp.rules.scope import Scope, in_periods
from cdp.rules.sequences import AmongSequences
from cdp.rules.shapes import SPAN, Fields, ListOf, show_span
from cdp.rules.slab import passing
from cdp.rules.sql import FALSE, TRUE
from cdp.rules.windows import EVER, Window, WindowShape
from profiles.models import Event
from profiles.operators.happening import EventNames, Happening
from profiles.operators.properties import WhereShape

# By whether there is a gap and whether there is a window.
SENTENCES = {
    (False, False): gettext_lazy("did %(steps)s"),
    (True, False): gettext_lazy("did %(steps)s, each at most %(gap)s after the one before"),
    (False, True): gettext_lazy("did %(steps)s, all %(window)s"),
    (True, True): gettext_lazy("did %(steps)s, each at most %(gap)s after the one before, all %(window)s"),
}


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
        if "then_not" in params and "gap" not in params:
            return given.at.key("gap").report(_("is required with then_not, which holds for so long"))
        return cls(
            steps=tuple(Happening.build(step, known) for step in params["steps"]),
            gap=params.get("gap"),
            within=params.get("within", EVER),
            then_not=Happening.build(params["then_not"], known) if "then_not" in params else None,
        )

    def predicate(self, scope: Scope, now: datetime) -> Q:
        if not all(step.definition_ids for step in self.steps):
            return Q(FALSE)
        return Q(
            AmongSequences(
                F("pk"),
                self._events(scope, now),
                n_steps=len(self.steps),
                gap=length_of(self.gap) if self.gap else None,
                has_then_not=self._has_then_not,
            )
        )

    def clock(self, after: datetime, until: datetime) -> Q | None:
        """Who has a step that goes out of the window or comes into it, or a last step after which the wait is over."""
        if not all(step.definition_ids for step in self.steps):
            return None
        slabs = [(step, self.within.clock(after, until)) for step in self.steps]
        if self._wait:
            slabs.append((self.steps[-1], passing(after, until, -self._wait)))
        found = [_is(step, until) & in_periods("occurred_at", periods) for step, periods in slabs if periods]
        if not found:
            return None
        return Q(pk__in=Event.objects.filter(reduce(or_, found)).values("profile_id"))

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


def _flagged(events: QuerySet[Event], flags: Mapping[str, Q]) -> QuerySet[Any, Any]:
    wrapped = {name: ExpressionWrapper(flag, output_field=BooleanField()) for name, flag in flags.items()}
    rows: QuerySet[Any, Any] = events.annotate(**wrapped).values("profile_id", "occurred_at", *wrapped)
    return rows


def _is(happening: Happening, now: datetime) -> Q:
    """Whether an event is one of those."""
    return reduce(and_, map(Q, happening.conditions(now)), Q(definition_id__in=happening.definition_ids))
