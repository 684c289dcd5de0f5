"""`tier`: where somebody stands in a tier scheme."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from django.db.models import Exists, OuterRef, Prefetch, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from cdp.rules.base import Given, Operator, Param, register_operator
from cdp.rules.catalogue import Option, Wanted, add_catalogue
from cdp.rules.errors import WRONG, Wrong
from cdp.rules.face import Face
from cdp.rules.facts import Fact, ago
from cdp.rules.scope import Scope
from cdp.rules.shapes import NAME, ListOf, NameOf
from segments.models import Tier, TierScheme, TierStanding


@dataclass(frozen=True)
class SchemeFacts:
    """`tiers` are the tiers of the scheme, the highest first: {key: (id, name)}."""

    name: str
    tiers: Mapping[str, tuple[int, str]]


def load_schemes(keys: Set[str]) -> Mapping[str, SchemeFacts]:
    """Two queries: the schemes, and their tiers."""
    tiers: defaultdict[int, dict[str, tuple[int, str]]] = defaultdict(dict)
    for tier in Tier.objects.filter(scheme__key__in=keys).order_by("position"):
        tiers[tier.scheme_id][tier.key] = (tier.pk, tier.name)
    schemes = TierScheme.objects.filter(key__in=keys)
    return {scheme.key: SchemeFacts(scheme.name, tiers[scheme.pk]) for scheme in schemes}


def offer_schemes(wanted: Wanted) -> list[Option]:
    """Two queries: the schemes, and their tiers."""
    schemes = TierScheme.objects.order_by("name", "key").prefetch_related(
        Prefetch("tiers", queryset=Tier.objects.order_by("position"))
    )
    return wanted.among(
        Option(scheme.key, scheme.name, scheme.key, options=tuple(Option(t.key, t.name) for t in scheme.tiers.all()))
        for scheme in schemes
    )


add_catalogue("tier", load_schemes, missing=gettext_lazy("there is no tier scheme %(name)s"), offer=offer_schemes)


@register_operator
@dataclass(frozen=True)
class InTier(Operator):
    """Stands in one of some tiers (keys) of a scheme, as of its last refresh."""

    op: ClassVar = "tier"
    face: ClassVar = Face(
        gettext_lazy("Tier"), "stairs", 6, labels={"in": gettext_lazy("stands in")}, among={"in": "scheme"}
    )
    params: ClassVar = {
        "scheme": Param(NameOf("tier")),
        "in": Param(ListOf(NAME)),
    }

    scheme: str
    facts: SchemeFacts
    tiers: tuple[str, ...]

    @classmethod
    def build(cls, given: Given) -> Self | Wrong:
        facts = given.known["tier"][given["scheme"]]
        unknown = [(index, key) for index, key in enumerate(given["in"]) if key not in facts.tiers]
        for index, key in unknown:
            given.at.key("in").item(index).report(
                _("the tier scheme %(scheme)s has no tier %(tier)s; known: %(tiers)s")
                % {"scheme": given["scheme"], "tier": repr(key), "tiers": ", ".join(facts.tiers) or "-"}
            )
        return WRONG if unknown else cls(given["scheme"], facts, given["in"])

    def predicate(self, scope: Scope, now: datetime) -> Q:
        standings = TierStanding.objects.filter(
            scope.on("profile_id"),
            profile_id=OuterRef("pk"),
            tier_id__in=sorted({self.facts.tiers[key][0] for key in self.tiers}),
        )
        return Q(Exists(standings))

    def clock(self, after: datetime, until: datetime) -> None:
        """Standings follow their scheme's refresh, which tells whom it moved."""

    @classmethod
    def evidence(cls, conditions: Sequence[Self], profile_id: int, now: datetime) -> list[list[Fact]]:
        """Where somebody stands, and since when."""
        standings = TierStanding.objects.filter(
            profile=profile_id, scheme__key__in={each.scheme for each in conditions}
        )
        found = {each.scheme.key: each for each in standings.select_related("scheme", "tier")}
        return [[stands(found.get(each.scheme), now)] for each in conditions]

    def topics(self) -> frozenset[str]:
        return frozenset({f"tier:{self.scheme}"})

    def describe(self) -> str:
        names = pgettext("between alternatives", " or ").join(
            _("“%(text)s”") % {"text": self.facts.tiers[key][1]} for key in self.tiers
        )
        return _("is in the tier %(tiers)s of “%(scheme)s”") % {"tiers": names, "scheme": self.facts.name}


def stands(standing: TierStanding | None, now: datetime) -> Fact:
    if standing is None:
        return Fact(gettext_lazy("stands in no tier"))
    parts = {"tier": standing.tier.name, "when": ago(standing.entered_at, now)}
    return Fact(gettext_lazy("entered the tier “%(tier)s” %(when)s"), parts, at=standing.entered_at)
