"""Who did some things one after the other: one window pass a step over the events, sorted once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import BooleanField, DateTimeField, Field, Func, QuerySet, Subquery

from cdp.rules.sql import Sql

UNTIL = "PARTITION BY profile_id ORDER BY occurred_at ROWS UNBOUNDED PRECEDING"
BEFORE = "PARTITION BY profile_id ORDER BY occurred_at GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
AFTER = "PARTITION BY profile_id ORDER BY occurred_at DESC GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"


class AmongSequences(Func):
    """Whether the profile has events that follow each other as its steps do, in a shape that the planner can join.

    `events`, of which there may be several queries, are rows of profile_id, occurred_at, a boolean for each step that
    the event can be, at least two, and where `has_then_not` one more for what must not follow. A row reaches a step if
    it can be it, and a row strictly before it, by at most `gap`, reaches the step before: so any choice of events that
    fits is found, and none has to be tried. With `has_then_not`, no such event may lie in (last, last + gap].

    All passes want the same order but that for what must not follow, which looks the other way: the events are sorted
    once. The profile's condition comes down to the events through every pass, since all are by profile.
    """

    output_field: Field[Any, Any] = BooleanField()

    def __init__(
        self,
        profile: Sql,
        events: Sequence[QuerySet[Any, Any]],
        *,
        n_steps: int,
        gap: timedelta | None = None,
        has_then_not: bool = False,
    ) -> None:
        super().__init__(*(Subquery(rows) for rows in events), profile)
        self.n_steps, self.has_then_not = n_steps, has_then_not
        self.gap = None if gap is None else interval(gap)

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> tuple[str, Any]:  # type: ignore[override]
        compiled = [compiler.compile(expression) for expression in self.get_source_expressions()]
        *events, profile = [sql for sql, _params in compiled]
        happened = events[0] if len(events) == 1 else f"({' UNION ALL '.join(events)})"
        rows = f"({self._reached(happened)}) AS last_step WHERE {self._is_done}"
        return self._asked(rows, profile), [param for _sql, params in compiled for param in params]

    def _asked(self, rows: str, profile: str) -> str:
        """What is asked of the rows that complete the sequence."""
        return f"EXISTS (SELECT 1 FROM (SELECT profile_id FROM {rows}) AS found WHERE found.profile_id = {profile})"  # noqa: S608

    def _reached(self, events_sql: str) -> str:
        """The events, each with whether it reaches the last step, and when the next that must not follow did."""
        kept = ["then_not"] if self.has_then_not else []
        steps = [f"step_{place}" for place in range(self.n_steps)]
        columns = ["profile_id", "occurred_at", *steps, *kept]
        rows = f"{events_sql} AS happened ({', '.join(columns)})"
        is_reached = "step_0"
        for place in range(1, self.n_steps):
            selected = ["profile_id", "occurred_at", f"{is_reached} AS reached", *steps[place:], *kept]
            rows = f"(SELECT {', '.join(selected)} FROM {rows}) AS step_{place}_rows"  # noqa: S608
            is_reached = f"(step_{place} AND {self._follows})"
        selected = ["profile_id", "occurred_at", f"{is_reached} AS reached", *kept]
        reached = f"SELECT {', '.join(selected)} FROM {rows}"  # noqa: S608
        if not self.has_then_not:
            return reached
        next_not = f"min(occurred_at) FILTER (WHERE then_not) OVER ({AFTER})"
        return (
            f"SELECT profile_id, occurred_at, reached, {next_not} AS next_not "  # noqa: S608
            f"FROM ({reached}) AS reaching WHERE reached OR then_not"
        )

    @property
    def _follows(self) -> str:
        if self.gap is None:  # the first decides, and needs no frame that leaves out what happened at the same time
            return f"coalesce(min(occurred_at) FILTER (WHERE reached) OVER ({UNTIL}) < occurred_at, false)"
        last = f"max(occurred_at) FILTER (WHERE reached) OVER ({BEFORE})"
        return f"coalesce({last} >= occurred_at - {self.gap}, false)"

    @property
    def _is_done(self) -> str:
        if not self.has_then_not:
            return "reached"
        return f"reached AND coalesce(next_not > occurred_at + {self.gap}, true)"


class ChainOfSequence(AmongSequences):
    """When the profile did the steps of the last such sequence, the last step first; NULL where there is none. May have
    one step alone.

    Each row that reaches a step carries the chain of the last row that it can follow. The greatest chain is the latest.
    """

    output_field = ArrayField(DateTimeField())

    def _asked(self, rows: str, profile: str) -> str:
        return f"(SELECT max(chain) FROM {rows} AND profile_id = {profile})"  # noqa: S608

    def _reached(self, events_sql: str) -> str:
        kept = ["then_not"] if self.has_then_not else []
        steps = [f"step_{place}" for place in range(self.n_steps)]
        columns = ["profile_id", "occurred_at", *kept]
        rows = f"{events_sql} AS happened ({', '.join(['profile_id', 'occurred_at', *steps, *kept])})"
        chain = "CASE WHEN step_0 THEN ARRAY[occurred_at] END"
        is_near = "" if self.gap is None else f" AND previous[1] >= occurred_at - {self.gap}"
        for place in range(1, self.n_steps):
            selected = ", ".join([*columns, *steps[place:]])
            rows = f"(SELECT {selected}, {chain} AS chain FROM {rows}) AS step_{place}_rows"  # noqa: S608
            rows = f"(SELECT {selected}, max(chain) OVER ({BEFORE}) AS previous FROM {rows}) AS before_{place}"  # noqa: S608
            chain = f"CASE WHEN step_{place} AND previous IS NOT NULL{is_near} THEN occurred_at || previous END"
        selected = ", ".join(columns)
        chains = f"SELECT {selected}, {chain} AS chain FROM {rows}"  # noqa: S608
        reached = f"SELECT {selected}, chain, chain IS NOT NULL AS reached FROM ({chains}) AS chains"  # noqa: S608
        if not self.has_then_not:
            return reached
        next_not = f"min(occurred_at) FILTER (WHERE then_not) OVER ({AFTER})"
        return f"SELECT *, {next_not} AS next_not FROM ({reached}) AS reaching"  # noqa: S608


def interval(span: timedelta) -> str:
    """The span as SQL, in hours: a day of an interval is not 24 hours where clocks are put forward."""
    return f"interval '{span // timedelta(hours=1)} hours'"
