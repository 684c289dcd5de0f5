"""`identifier`: by what somebody can be recognised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, NamedTuple, Self

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Exists, OuterRef, Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cdp.rules.base import Given, Operator, Param, register_operator
from cdp.rules.catalogue import Option, Wanted, add_catalogue
from cdp.rules.face import Face
from cdp.rules.facts import Fact, Owner
from cdp.rules.scope import Scope
from cdp.rules.shapes import NameOf
from profiles.models import Identifier, IdentifierKind

N_SHOWN = 3


class KindFacts(NamedTuple):
    id: int
    label: Promise | str


def load_kinds(keys: Set[str]) -> Mapping[str, KindFacts]:
    """The labels that Strata ships are translated like its own words."""
    kinds = IdentifierKind.objects.filter(key__in=keys)
    return {kind.key: KindFacts(kind.pk, gettext_lazy(kind.label) if kind.label else kind.key) for kind in kinds}


def offer_kinds(wanted: Wanted) -> list[Option]:
    kinds = IdentifierKind.objects.order_by("priority", "key")
    return wanted.among(Option(kind.key, _(kind.label) if kind.label else kind.key, hint=kind.key) for kind in kinds)


add_catalogue(
    "identifier", load_kinds, missing=gettext_lazy("there is no kind of identifier %(name)s"), offer=offer_kinds
)


@register_operator
@dataclass(frozen=True)
class HasIdentifier(Operator):
    """Has at least one identifier of a kind."""

    op: ClassVar = "identifier"
    face: ClassVar = Face(gettext_lazy("Identifier"), "fingerprint", 10)
    params: ClassVar = {"kind": Param(NameOf("identifier"))}

    kind: str
    facts: KindFacts

    @classmethod
    def build(cls, given: Given) -> Self:
        return cls(given["kind"], given.known["identifier"][given["kind"]])

    def predicate(self, scope: Scope, now: datetime) -> Q:
        identifiers = Identifier.objects.filter(
            scope.on("profile_id"), profile_id=OuterRef("pk"), kind_id=self.facts.id
        )
        return Q(Exists(identifiers))

    def clock(self, after: datetime, until: datetime) -> None:
        """An identifier is told of when it comes, and stays."""

    @classmethod
    def evidence(cls, conditions: Sequence[Self], profile_id: int, now: datetime) -> list[list[Fact]]:
        """The first identifiers of each kind."""
        own = Identifier.objects.filter(profile=profile_id, kind__in={each.facts.id for each in conditions})
        found = dict(
            own.order_by()
            .values("kind")
            .annotate(values=ArrayAgg("value", order_by="pk"))
            .values_list("kind", "values")
        )
        return [[each._found(found.get(each.facts.id, []))] for each in conditions]

    def _found(self, values: Sequence[str]) -> Fact:
        parts = {"kind": str(self.facts.label)}
        if not values:
            return Fact(gettext_lazy("no identifier of the kind “%(kind)s”"), parts)
        shown = list(values[:N_SHOWN])
        owner = Owner("identifier", self.kind)
        if len(values) == len(shown):
            return Fact(gettext_lazy("%(kind)s: %(value)s"), parts, shown, owner)
        more = {**parts, "n": len(values) - len(shown)}
        return Fact(gettext_lazy("%(kind)s: %(value)s, and %(n)s more"), more, shown, owner)

    def topics(self) -> frozenset[str]:
        return frozenset({f"identifier:{self.kind}"})

    def describe(self) -> str:
        return _("has an identifier of the kind “%(kind)s”") % {"kind": self.facts.label}
