"""`attribute`: what the golden record says of somebody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Any, ClassVar, Self

from django.db.models import Exists, F, OuterRef, Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from cdp.rules.base import Cover, Given, Operator, Param, register_operator
from cdp.rules.catalogue import Option, Wanted, add_catalogue
from cdp.rules.comparison import Comparison, read_comparison
from cdp.rules.days import Days, Period, period_of
from cdp.rules.errors import Wrong, quoted
from cdp.rules.face import Face
from cdp.rules.facts import Fact, Owner, ago
from cdp.rules.operands import ColumnOperand, JsonOperand
from cdp.rules.scope import Scope, in_periods
from cdp.rules.shapes import Anything, NameOf, Text
from cdp.rules.sql import TRUE, At
from cdp.rules.types import JSON_TYPES, ValueType, type_of
from cdp.rules.words import WORDS
from profiles.models import AttributeDefinition, Identifier, LastSight, Profile, ProfileMoment
from profiles.models.definition import shipped_label_lazy


@dataclass(frozen=True)
class AttributeFacts:
    """What parsing needs to know of an attribute."""

    type: ValueType
    label: Promise | str
    id: int = 0  # of the definition


IS_KNOWN = "is_known"
COLUMNS = {"last_seen_at": "last_sight__at"}  # of Profile, where it is not named like the key
FIRST_YEAR = 1970  # no message is older
# What rules may name like an attribute, though it is none; it wins over a trait of the same name.
BUILT_IN = {
    "created_at": AttributeFacts(ValueType.DATETIME, gettext_lazy("the creation of the profile")),
    "first_seen_at": AttributeFacts(ValueType.DATETIME, gettext_lazy("the first sight")),
    "last_seen_at": AttributeFacts(ValueType.DATETIME, gettext_lazy("the last sight")),
    IS_KNOWN: AttributeFacts(ValueType.BOOLEAN, gettext_lazy("is a known person")),
}


def load_attributes(keys: Set[str]) -> Mapping[str, AttributeFacts]:
    """Built-in keys, and the definitions of the others in one query."""
    definitions = AttributeDefinition.objects.filter(key__in=keys)
    found = {
        # The labels that Strata ships are translated like its own words.
        each.key: AttributeFacts(
            ValueType(each.type), shipped_label_lazy(each.label) if each.label else each.key, each.pk
        )
        for each in definitions
    }
    return found | {key: BUILT_IN[key] for key in keys & BUILT_IN.keys()}


def offer_attributes(wanted: Wanted) -> list[Option]:
    """Whether somebody is known, the defined ones by category, the built-in times; few enough to look through."""
    known, *times = [
        Option(IS_KNOWN, _("Known person"), type=ValueType.BOOLEAN),
        Option("first_seen_at", _("First seen"), type=ValueType.DATETIME),
        Option("last_seen_at", _("Last seen"), type=ValueType.DATETIME),
        Option("created_at", _("Profile created"), type=ValueType.DATETIME),
    ]
    definitions = AttributeDefinition.objects.exclude(key__in=BUILT_IN).order_by("is_discovered", "category", "key")
    defined = [
        Option(each.key, each.shown_label, hint=each.key if each.label else "", type=each.type)
        for each in definitions.only("key", "label", "type")
    ]
    return wanted.among([known, *defined, *times])


add_catalogue(
    "attribute", load_attributes, missing=gettext_lazy("no attribute %(name)s is defined"), offer=offer_attributes
)


@register_operator
@dataclass(frozen=True)
class AttributeIs(Operator):
    """An attribute, or a built-in key, compared by its type."""

    op: ClassVar = "attribute"
    face: ClassVar = Face(gettext_lazy("Attribute"), "badge", 1, typed_by="key")
    params: ClassVar = {
        "key": Param(NameOf("attribute")),
        "is": Param(Text()),
        "value": Param(Anything(), required=False),
    }

    key: str
    facts: AttributeFacts
    comparison: Comparison

    @classmethod
    def build(cls, given: Given) -> Self | Wrong:
        facts = given.known["attribute"][given["key"]]
        comparison = read_comparison(given.params, facts.type, given.at)
        return comparison if isinstance(comparison, Wrong) else cls(given["key"], facts, comparison)

    @classmethod
    def check(cls, given: Given) -> Wrong | None:
        """A word that fits no type is wrong whatever the attribute is."""
        word = given.params.get("is")
        if word is None or any(word in words for words in WORDS.values()):
            return None
        known = dict.fromkeys(name for words in WORDS.values() for name in words)
        return given.at.key("is").report(
            _("unknown comparison %(word)s; known: %(words)s") % {"word": quoted(word), "words": ", ".join(known)}
        )

    def predicate(self, scope: Scope, now: datetime) -> Q:
        if self.key == IS_KNOWN:
            return self._is_known(scope)
        operand: Any
        if self.key in BUILT_IN:
            operand = ColumnOperand(F(COLUMNS.get(self.key, self.key)))
        else:
            operand = JsonOperand(At(F("attributes"), self.key), self.facts.type)
        return Q(self.comparison.holds(operand, now))

    def _is_known(self, scope: Scope) -> Q:
        match self.comparison:
            case Comparison(word="set"):
                return Q(TRUE)
            case Comparison(word="unset"):
                return ~Q(TRUE)
        personal = Identifier.objects.filter(scope.on("profile_id"), kind__is_personal=True)
        is_known = Q(Exists(personal.filter(profile_id=OuterRef("pk"))))
        return is_known if self.comparison.value else ~is_known

    def clock(self, after: datetime, until: datetime) -> Q | None:
        slab = self.comparison.clock(after, until)
        if self.key in BUILT_IN:
            # A sight that is still to come is on the queue, due at its time.
            periods = slab.spans(range(FIRST_YEAR, until.year + 2))
            return self._lies_in(periods) if periods else None
        found = [
            *([in_periods("at", [*slab.periods, *slab.coming])] if slab.periods else []),
            *([in_periods("at", map(self._span, slab.days))] if slab.days else []),
            *([Q(month_day__in=sorted(slab.month_days))] if slab.month_days else []),
        ]
        if not found:
            return None
        moments = ProfileMoment.objects.filter(reduce(or_, found), definition_id=self.facts.id)
        return Q(pk__in=moments.values("profile_id"))

    def _lies_in(self, periods: Sequence[Period]) -> Q:
        """A condition on Profile that an index answers: a built-in time lies in one of the periods."""
        if self.key == "last_seen_at":
            return Q(pk__in=LastSight.objects.filter(in_periods("at", periods)).values("profile_id"))
        return in_periods(self.key, periods)

    def _span(self, days: Days) -> Period:
        """The instants of days, where a date is kept as its midnight in UTC."""
        return period_of(days, UTC if self.facts.type is ValueType.DATE else None)

    def topics(self) -> frozenset[str]:
        return frozenset({f"attribute:{self.key}"})

    @classmethod
    def evidence(cls, conditions: Sequence[Self], profile_id: int, now: datetime) -> list[list[Fact]]:
        """The values of the golden record, and by what somebody is known."""
        person = Profile.objects.get(pk=profile_id)
        kinds: list[str] = []
        if any(each.key == IS_KNOWN for each in conditions):
            personal = Identifier.objects.filter(profile=person, kind__is_personal=True)
            labels = personal.order_by("kind__priority").values_list("kind__key", "kind__label").distinct()
            kinds = [_(label) if label else key for key, label in labels]
        return [[known_by(kinds) if each.key == IS_KNOWN else each._found(person, now)] for each in conditions]

    def _found(self, person: Profile, now: datetime) -> Fact:
        parts = {"subject": str(self.facts.label)}
        if self.key in BUILT_IN:
            at: datetime = getattr(person, self.key)
            return Fact(gettext_lazy("%(subject)s: %(when)s"), {**parts, "when": ago(at, now)}, at=at)
        value = person.attributes.get(self.key)
        if value is None:
            return Fact(gettext_lazy("%(subject)s is not known"), parts)
        owner = Owner("attribute", self.key)
        stored = type_of(value)
        if stored is None or JSON_TYPES[stored] != JSON_TYPES[self.facts.type]:
            parts["type"] = str(self.facts.type.label)
            said = gettext_lazy("%(subject)s is %(value)s, which is not of the type “%(type)s”: it counts as not known")
            return Fact(said, parts, value, owner)
        return Fact(pgettext_lazy("found of a person", "%(subject)s is %(value)s"), parts, value, owner)

    def covered(self, cover: Cover) -> Self:
        shown = cover({"op": self.op, "key": self.key, "value": self.comparison.value})
        return replace(self, comparison=replace(self.comparison, cover=shown))

    def describe(self) -> str:
        is_known = self.known_or_not()
        return self.comparison.describe(str(self.facts.label)) if is_known is None else in_words(is_known)

    def describe_denied(self) -> str:
        is_known = self.known_or_not()
        return "" if is_known is None else in_words(not is_known)

    def known_or_not(self) -> bool | None:
        """What is asked of somebody being known; None for any other question."""
        return bool(self.comparison.value) if self.key == IS_KNOWN and self.comparison.word == "eq" else None


def in_words(is_known: bool) -> str:
    return _("is a known person") if is_known else _("is not a known person")


def known_by(kinds: Sequence[str]) -> Fact:
    """The personal kinds of identifiers that somebody has, by label."""
    if not kinds:
        return Fact(gettext_lazy("no identifier of a personal kind"))
    return Fact(gettext_lazy("known by: %(kinds)s"), {"kinds": pgettext("between values", ", ").join(kinds)})
