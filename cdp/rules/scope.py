"""Whom a rule is asked about: everybody, or some candidates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_

from django.db.models import F, Q

from cdp.rules.days import Period
from cdp.rules.sql import IdArray, any_of_array


@dataclass(frozen=True)
class Scope:
    """`ids` are candidate profile ids; None is everybody."""

    ids: Sequence[int] | None = None

    def on(self, field: str) -> Q:
        """A condition that keeps the rows whose `field` is a profile in scope; empty for everybody."""
        if self.ids is None:
            return Q()
        return Q(any_of_array(F(field), IdArray(self.text)))

    @cached_property
    def text(self) -> str:
        """The ids as an array in SQL, written down once: a list would be adapted again at each place where it is."""
        return f"{{{','.join(map(str, self.ids or ()))}}}"


def in_periods(field: str, periods: Iterable[Period]) -> Q:
    """A condition that keeps the rows whose `field` lies in one of these, at least one."""
    return reduce(or_, [_in_period(field, period) for period in periods])


def _in_period(field: str, period: Period) -> Q:
    start, end = period
    bounds = {f"{field}__gte": start, f"{field}__lt": end}
    return Q(**{lookup: bound for lookup, bound in bounds.items() if bound is not None})


EVERYBODY = Scope()
