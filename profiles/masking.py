"""Personal data, hidden from those who may not see it: the one place that admin, API, previews and exports pass.

Who holds `profiles.view_pii` sees everything. For everybody else a personal value becomes `MASK`, whole: no first
letter, no length, no domain. `null` stays `null`, since it says that nothing is known.

Personal is an attribute whose definition is so flagged, an identifier of a personal kind (and of one not known),
and, inside event properties, traits and rules, whatever is named like one of these or like `WELL_KNOWN`, at any depth.
Names are compared without case and punctuation, so that `firstName` is `first_name`. Text that holds an e-mail address
is masked whatever its name.

The names are read once a user object, like Django's permissions: once a request, not once a row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cdp.disclosure import Viewer, may_see_pii
from profiles.models import AttributeDefinition, IdentifierKind

MASK = "•••"

# Names that shops give to personal data in event properties, folded as by `fold_name`.
WELL_KNOWN = frozenset({
    "address", "addressline1", "addressline2", "birthdate", "contact", "dateofbirth", "emailaddress", "familyname",
    "fullname", "givenname", "idcard", "idnumber", "ip", "mail", "mobile", "mobilephone", "nickname", "phonenumber",
    "postalcode", "realname", "recipient", "street", "tel", "telephone", "username", "zip", "zipcode",
})  # fmt: skip
# Segment's commerce events name goods here, not people.
GOODS = frozenset({"name"})
GOODS_LISTS = frozenset({"product", "products"})

_EMAIL = re.compile(r"[^\s@]@[^\s@]+\.[^\s@]")
_PUNCTUATION = re.compile(r"[\W_]+")


@lru_cache(maxsize=10_000)
def fold_name(name: str) -> str:
    """`firstName`, `first_name` and `First-Name` are one name; a name of punctuation alone is itself."""
    return _PUNCTUATION.sub("", name).casefold() or name


@dataclass(frozen=True)
class Masking:
    """What to hide from one user; `sensitive` are folded names. Nothing is hidden where `sees_all`."""

    sees_all: bool
    sensitive: frozenset[str] = frozenset()
    open_kinds: frozenset[str] = frozenset()

    def hides(self, key: str) -> bool:
        """Whether a key, or a part of its dotted path, is personal: `address.street` follows `address`."""
        return fold_name(key) in self.sensitive or any(fold_name(part) in self.sensitive for part in key.split("."))

    def value(self, key: str, value: Any) -> Any:
        """The value under `key`, masked where the key is personal; other objects and lists are looked into."""
        if self.sees_all or value is None:
            return value
        return MASK if self.hides(key) else self._inside(value, parent=key)

    def mapping(self, values: Mapping[str, Any], *, parent: str = "") -> dict[str, Any]:
        """Every value of an object, each by its key."""
        if self.sees_all:
            return dict(values)
        names_goods = fold_name(parent) in GOODS_LISTS
        return {
            key: self._inside(value, parent=key) if names_goods and key in GOODS else self.value(key, value)
            for key, value in values.items()
        }

    def _inside(self, value: Any, *, parent: str) -> Any:
        if isinstance(value, Mapping):
            return self.mapping(value, parent=parent)
        if isinstance(value, list):
            return [self._inside(item, parent=parent) for item in value]
        if isinstance(value, str) and _EMAIL.search(value):
            return MASK
        return value

    def identifier(self, kind_key: str, value: str) -> str:
        return value if self.sees_all or kind_key in self.open_kinds else MASK

    def rule(self, rule: Any) -> Any:
        """Rule JSON whose compared values are masked where the attribute or property is personal."""
        if self.sees_all:
            return rule
        if isinstance(rule, list):
            return [self.rule(node) for node in rule]
        if not isinstance(rule, Mapping):
            return self._inside(rule, parent="")
        hidden = isinstance(rule.get("key"), str) and "value" in rule and self.hides(rule["key"])
        return {part: MASK if hidden and part == "value" else self.rule(node) for part, node in rule.items()}


SEES_ALL = Masking(sees_all=True)


def masking_for(user: Viewer) -> Masking:
    """The masking of one user: two queries the first time, none for who sees all; kept on the user object."""
    kept: Masking | None = getattr(user, "_masking", None)
    if kept is None:
        kept = SEES_ALL if may_see_pii(user) else _load()
        user._masking = kept  # type: ignore[union-attr]
    return kept


def _load() -> Masking:
    keys = AttributeDefinition.objects.filter(is_pii=True).values_list("key", flat=True)
    kinds = dict(IdentifierKind.objects.values_list("key", "is_personal"))
    personal = {kind for kind, is_personal in kinds.items() if is_personal}
    return Masking(
        sees_all=False,
        sensitive=WELL_KNOWN | {fold_name(name) for name in {*keys, *personal}},
        open_kinds=frozenset(kinds.keys() - personal),
    )


def mask_attributes(attributes: Mapping[str, Any], user: Viewer) -> dict[str, Any]:
    """Attributes, or raw traits that did not fit their definition, by key."""
    return masking_for(user).mapping(attributes)


def mask_attribute(key: str, value: Any, user: Viewer) -> Any:
    """One value of an attribute, such as what one source said of it."""
    return masking_for(user).value(key, value)


def mask_identifier(kind_key: str, value: str, user: Viewer) -> str:
    return masking_for(user).identifier(kind_key, value)


def mask_event_properties(properties: Mapping[str, Any], user: Viewer) -> dict[str, Any]:
    """Properties of an event; those of `$identify` are traits, and masked by the same names."""
    return masking_for(user).mapping(properties)


def mask_address(address: str, user: Viewer) -> str:
    """Where a delivery went; empty stays empty."""
    return address if not address or may_see_pii(user) else MASK


def mask_rule(rule: Any, user: Viewer) -> Any:
    """Rule JSON as this user may read it; what comes back for others than `view_pii` is for reading alone."""
    return masking_for(user).rule(rule)
