"""`bucket`: a share of all profiles, drawn by chance and the same for ever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from math import ceil
from typing import ClassVar, Self

from django.db.models import BigIntegerField, Func, Q, TextField, Value
from django.db.models.functions import Cast
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cdp.rules.base import Given, Operator, Param, register_operator
from cdp.rules.errors import Wrong
from cdp.rules.face import Face
from cdp.rules.facts import Fact
from cdp.rules.scope import Scope
from cdp.rules.shapes import NAME, Percent
from cdp.rules.sql import Infix
from profiles.models import Profile

N_PLACES = 2**32  # the places that are drawn; a hundredth of a percent holds 429,497 of them


class Place(Func):
    """The place of some joined texts, from 0 to N_PLACES - 1: the first 32 bits of their md5, the same in any
    database.
    """

    template = "('x' || left(md5(%(expressions)s), 8))::bit(32)::bigint"
    arg_joiner = " || "
    output_field = BigIntegerField()


def first_place(percent: float) -> int:
    """The first of the places that are not below so many percent, exactly as the number is written."""
    return ceil(Fraction(repr(percent)) * N_PLACES / 100)


@register_operator
@dataclass(frozen=True)
class InBucket(Operator):
    """Whether the draw of a salt gave somebody a number from `low` to below `high` percent.

    Draws of different salts have nothing to do with each other. It is drawn by the public id: new people are spread as
    the others are, and somebody who is split off has their old place again.
    """

    op: ClassVar = "bucket"
    face: ClassVar = Face(
        gettext_lazy("Random share"),
        "casino",
        12,
        labels={"salt": gettext_lazy("of the draw"), "from": gettext_lazy("from"), "to": gettext_lazy("to below")},
        starts={"salt": "a", "from": 0, "to": 10},
    )
    params: ClassVar = {"salt": Param(NAME), "from": Param(Percent()), "to": Param(Percent())}

    salt: str
    low: float
    high: float

    @classmethod
    def build(cls, given: Given) -> Self | Wrong:
        if isinstance(wrong := _from_after_to(given), Wrong):
            return wrong
        return cls(given["salt"], given["from"], given["to"])

    @classmethod
    def check(cls, given: Given) -> Wrong | None:
        return _from_after_to(given) if given.has("from", "to") else None

    def predicate(self, scope: Scope, now: datetime) -> Q:
        place = self._place()
        start, end = Value(first_place(self.low)), Value(first_place(self.high))
        return Q(Infix("AND", Infix(">=", place, start), Infix("<", place, end)))

    def clock(self, after: datetime, until: datetime) -> None:
        """A place never changes."""

    @classmethod
    def evidence(cls, conditions: Sequence[Self], profile_id: int, now: datetime) -> list[list[Fact]]:
        """What was drawn."""
        places = Profile.objects.values_list(*(each._place() for each in conditions)).get(pk=profile_id)
        return [[drawn(place, each.salt)] for each, place in zip(conditions, places, strict=True)]

    def _place(self) -> Place:
        return Place(Value(f"{self.salt}:"), Cast("public_id", TextField()))

    def topics(self) -> frozenset[str]:
        """None: a person's place never changes. Who is new, merged or split concerns every rule anyway."""
        return frozenset()

    def describe(self) -> str:
        return _("is in the share from %(low)s %% to %(high)s %% of the draw “%(salt)s”") % {
            "low": self.low,
            "high": self.high,
            "salt": self.salt,
        }


def _from_after_to(given: Given) -> Wrong | None:
    """Report an empty share."""
    return None if given["from"] < given["to"] else given.at.key("to").report(_("must be greater than from"))


def drawn(place: int, salt: str) -> Fact:
    """The number, rounded down, so that it never seems to be above an edge that it lies below."""
    percent = place * 1_000_000 // N_PLACES / 10_000
    return Fact(gettext_lazy("the draw “%(salt)s” gave %(value)s %%"), {"salt": salt}, percent)
