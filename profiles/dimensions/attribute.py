"""`attribute:KEY`: the golden record, whether somebody is known, and the times of the profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cdp.rules.catalogue import Wanted
from cdp.rules.types import JSON_TYPES, ValueType
from profiles.dimensions import (
    Choice,
    ComparedDimension,
    DimensionKind,
    HiddenDimension,
    RuleJson,
    Statement,
    UnknownDimension,
    register_dimension,
)
from profiles.masking import SEES_ALL, Masking
from profiles.operators.attribute import BUILT_IN, IS_KNOWN, load_attributes, offer_attributes

FIRST = frozenset({"gender", "city"})
N_OFFERED = 300


@dataclass(frozen=True)
class AttributeDimension(ComparedDimension):
    """Values pass the masking: text that holds an address or a phone is hidden in any attribute."""

    key: str = ""
    masking: Masking = SEES_ALL

    def statement(self, now: datetime) -> Statement:
        if self.key == IS_KNOWN:
            return KNOWN, []
        if self.key in BUILT_IN:
            return TIME.format(column=self.key), []
        if self.type is ValueType.LIST:
            return ITEMS, [self.key, self.key]
        return VALUES, [self.key, self.key, JSON_TYPES[self.type]]

    def with_value(self, value: Any) -> RuleJson | None:
        return self._if_open(super().with_value(value))

    def with_others(self, values: Sequence[Any]) -> RuleJson | None:
        return self._if_open(super().with_others(values))

    def shown(self, value: Any) -> Any:
        return value if self.key in BUILT_IN else self.masking.attribute(self.key, value)

    def _if_open(self, rule: RuleJson | None) -> RuleJson | None:
        """None where the rule names a value that is hidden."""
        named = rule["all"][-1] if rule and "all" in rule else rule
        value = named.get("value") if named else None
        return rule if self.shown(value) == value else None


VALUES = """
    SELECT id, attributes -> %s
    FROM profiles_profile
    WHERE jsonb_typeof(attributes -> %s) = %s
"""
# A list that is there and empty is a value of its own, since the rule language does not call it missing.
ITEMS = """
    SELECT profile.id, coalesce(item.value, '[]'::jsonb)
    FROM profiles_profile AS profile
    LEFT JOIN LATERAL (
        SELECT DISTINCT value FROM jsonb_array_elements(profile.attributes -> %s)
    ) AS item ON true
    WHERE jsonb_typeof(profile.attributes -> %s) = 'array'
"""
TIME = """
    SELECT id, to_jsonb(to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    FROM profiles_profile
"""
KNOWN = """
    SELECT profile.id, to_jsonb(EXISTS (
        SELECT 1
        FROM profiles_identifier AS identifier
        JOIN profiles_identifierkind AS kind ON kind.id = identifier.kind_id
        WHERE identifier.profile_id = profile.id AND kind.is_personal
    ))
    FROM profiles_profile AS profile
"""


def find(name: str, masking: Masking) -> AttributeDimension:
    """By key. What is personal is refused before it is said whether there is such an attribute."""
    by = f"attribute:{name}"
    if not is_open(name, masking):
        raise HiddenDimension(by)
    facts = load_attributes({name}).get(name)
    if facts is None:
        raise UnknownDimension(_("no attribute %(name)s is defined") % {"name": repr(name)})
    names = {True: _("Yes"), False: _("No")} if facts.type is ValueType.BOOLEAN else {}
    subject = {"op": "attribute", "key": name}
    return AttributeDimension(by, str(facts.label), facts.type, names, subject, name, masking)


def offer(masking: Masking) -> list[Choice]:
    options = offer_attributes(Wanted(limit=N_OFFERED))
    return [
        Choice(option.value, option.label, is_first=option.value in FIRST)
        for option in options
        if is_open(option.value, masking)
    ]


def is_open(key: str, masking: Masking) -> bool:
    return key in BUILT_IN or masking.sees_all or key in masking.open_attributes


register_dimension(DimensionKind("attribute", gettext_lazy("Attributes"), 10, offer, find))
