"""`segment`: who is in a segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, NamedTuple, Self

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from cdp.keys import is_called
from cdp.rules.base import Given, Operator, Param, register_operator
from cdp.rules.catalogue import Option, Wanted, add_catalogue
from cdp.rules.face import Face
from cdp.rules.facts import Fact, ago
from cdp.rules.scope import Scope
from cdp.rules.shapes import DAYS, NameOf
from segments.models import Membership, Segment


class SegmentFacts(NamedTuple):
    id: int
    name: str


def load_segments(keys: Set[str]) -> Mapping[str, SegmentFacts]:
    return {
        key: SegmentFacts(pk, name)
        for key, pk, name in Segment.objects.current().filter(key__in=keys).values_list("key", "pk", "name")
    }


def offer_segments(wanted: Wanted) -> list[Option]:
    is_wanted = Q(key__in=wanted.names) if wanted.names else is_called(wanted.term)
    chosen = Segment.objects.current().filter(is_wanted).order_by("name", "key").values_list("key", "name")
    return [Option(key, name, hint=key) for key, name in chosen[: wanted.limit]]


add_catalogue(
    "segment",
    load_segments,
    missing=gettext_lazy("there is no segment %(name)s, or it is archived"),
    offer=offer_segments,
)


@register_operator
@dataclass(frozen=True)
class InSegment(Operator):
    """Is in a segment as of its last refresh, where `for_days` is given since at least so many times 24 hours."""

    op: ClassVar = "segment"
    face: ClassVar = Face(
        gettext_lazy("Segment"), "groups", 5, labels={"for_days": gettext_lazy("for at least so many days")}
    )
    params: ClassVar = {
        "key": Param(NameOf("segment")),
        "for_days": Param(DAYS, required=False),
    }

    key: str
    facts: SegmentFacts
    for_days: int | None = None

    @classmethod
    def build(cls, given: Given) -> Self:
        return cls(given["key"], given.known["segment"][given["key"]], given.params.get("for_days"))

    def predicate(self, scope: Scope, now: datetime) -> Q:
        members = Membership.objects.filter(scope.on("profile_id"), profile_id=OuterRef("pk"), segment_id=self.facts.id)
        if self.for_days is not None:
            members = members.filter(entered_at__lte=now - timedelta(days=self.for_days))
        return Q(Exists(members))

    def clock(self, after: datetime, until: datetime) -> Q | None:
        """Who will have been in for so many days."""
        if self.for_days is None:
            return None
        days = timedelta(days=self.for_days)
        members = Membership.objects.filter(
            segment_id=self.facts.id, entered_at__gt=after - days, entered_at__lte=until - days
        )
        return Q(pk__in=members.values("profile_id"))

    @classmethod
    def evidence(cls, conditions: Sequence[Self], profile_id: int, now: datetime) -> list[list[Fact]]:
        """Since when somebody is in."""
        asked = {each.facts.id for each in conditions}
        members = Membership.objects.filter(profile=profile_id, segment__in=asked)
        entered = dict(members.values_list("segment_id", "entered_at"))
        return [[entered_or_not(entered.get(each.facts.id), now)] for each in conditions]

    def topics(self) -> frozenset[str]:
        return frozenset({f"segment:{self.key}"})

    def describe(self) -> str:
        if self.for_days is None:
            return _("is in the segment “%(segment)s”") % {"segment": self.facts.name}
        return ngettext(
            "has been in the segment “%(segment)s” for at least %(n)d day",
            "has been in the segment “%(segment)s” for at least %(n)d days",
            self.for_days,
        ) % {"segment": self.facts.name, "n": self.for_days}


def entered_or_not(entered_at: datetime | None, now: datetime) -> Fact:
    if entered_at is None:
        return Fact(gettext_lazy("is not in"))
    return Fact(gettext_lazy("entered %(when)s"), {"when": ago(entered_at, now)}, at=entered_at)
