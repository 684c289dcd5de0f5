"""Personal data, hidden from those who may not see it: the one place that admin, API, previews and exports pass.

Who holds `profiles.view_pii` sees everything. For everybody else a personal value becomes `MASK`, whole: no first
letter, no length, no domain. `null` stays `null`, since it says that nothing is known.

What nobody has declared harmless is hidden; a list of personal names would never be complete. Open are:

- an attribute whose definition says that it is not personal. One that a message brought in (discovered) counts as
  personal until somebody who may change definitions clears it;
- an identifier of a kind that is not personal;
- in event properties, at any depth, numbers, booleans and the text under `COMMERCE`, the names that Segment's
  e-commerce events give to orders and goods, and under the names of open attributes. `name` is open where it names
  goods: in `products`, or beside a product's id. Long numbers are closed, for they are phones and documents.

Whatever is named like a personal attribute, a kind, `WELL_KNOWN`, or with one of `TELLING` in it, is hidden in event
properties with all that is inside, and text that holds an e-mail address, a phone or an identity card's number is
hidden everywhere. Names are compared without case and punctuation, so that `firstName` is `first_name`; an attribute
is found by its exact key.

The names are read once a user object, like Django's permissions: once a request, not once a row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Any

from cdp.disclosure import Viewer, may_see_pii
from cdp.rules.facts import Fact, Owner
from profiles.models import AttributeDefinition, IdentifierKind, RejectedMessage

MASK = "•••"

# Names, folded as by `fold_name`, that shops give to personal data: they hide numbers and objects too.
WELL_KNOWN = frozenset({
    "consignee", "customer", "customername", "familyname", "fullname", "givenname", "idno", "idnumber", "ip", "mail",
    "nick", "realname", "receiver", "recipient", "street", "tel", "to", "username", "zip", "zipcode",
})  # fmt: skip
TELLING = (
    "address", "birth", "contact", "email", "idcard", "mobile", "nickname", "openid", "passport", "phone", "postal",
    "unionid", "wechat", "weixin",
)  # fmt: skip
# Text of orders and goods; from https://segment.com/docs/connections/spec/ecommerce/v2/ what cannot name a person.
COMMERCE = frozenset({
    "affiliation", "brand", "cartid", "category", "channel", "checkoutid", "color", "colour", "coupon", "couponid",
    "coupons", "creative", "currency", "listid", "orderid", "paymentmethod", "position", "productid", "promotionid",
    "shippingmethod", "shopid", "size", "sku", "store", "storeid", "variant", "wishlistid",
})  # fmt: skip
GOODS_LISTS = frozenset({"product", "products"})
GOODS_IDS = frozenset({"productid", "sku"})
OPEN_OPS = frozenset({"score", "segment", "tag", "tier"})  # conditions that compare no value of a person's own

LONG_NUMBER = 10**9  # from here on a number has ten digits
_PERSONAL_TEXT = re.compile(
    r"[^\s@]@[^\s@]+\.[^\s@]"  # e-mail
    r"|\+\d(?:[ ().-]*\d){6,}"  # a phone in the international form
    r"|(?<!\d)1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)|(?<!\d)86[ -]?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)"  # one in China
    r"|(?<!\d)\d{6}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?!\d)"  # a Chinese identity card
)
_ADDRESS = re.compile(r"[^\s@“”'\"]+@[^\s@“”'\"]+\.[^\s@“”'\"]+")
_QUOTED = re.compile(r"""['"].*['"]""", re.DOTALL)  # to the last, for what is quoted may hold quotes
_PUNCTUATION = re.compile(r"[\W_]+")


@lru_cache(maxsize=10_000)
def fold_name(name: str) -> str:
    """`firstName`, `first_name` and `First-Name` are one name; a name of punctuation alone is itself."""
    return _PUNCTUATION.sub("", name).casefold() or name


@lru_cache(maxsize=10_000)
def is_telling(name: str) -> bool:
    """Whether a name, or a part of its dotted path, says that it is personal: `address.street` follows `address`."""
    folded = [fold_name(part) for part in (name, *name.split("."))]
    return any(part in WELL_KNOWN or any(word in part for word in TELLING) for part in folded)


@lru_cache(maxsize=10_000)
def without_addresses(text: str) -> str:
    return _PERSONAL_TEXT.sub(MASK, _ADDRESS.sub(MASK, text))


@dataclass(frozen=True)
class Masking:
    """What to show to one user; everything where `sees_all`.

    `personal` are the folded names of personal attributes and kinds, `open_attributes` exact keys, `open_kinds` keys.
    """

    sees_all: bool
    personal: frozenset[str] = frozenset()
    open_attributes: frozenset[str] = frozenset()
    open_kinds: frozenset[str] = frozenset()

    def attribute(self, key: str, value: Any) -> Any:
        """The value of an attribute, or what a source said of it; inside objects names count as in events."""
        if self.sees_all or value is None:
            return value
        return self._within(value, parent=key, is_open=True) if key in self.open_attributes else MASK

    def attributes(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {self.name(key): self.attribute(key, value) for key, value in values.items()}

    def name(self, key: str) -> str:
        """A name of a value: where a source uses addresses or numbers as names, what it is without them."""
        return key if self.sees_all else without_addresses(key)

    def properties(self, values: Mapping[str, Any], *, parent: str = "") -> dict[str, Any]:
        """Properties of an event, or an object inside them, that stands under `parent`."""
        if self.sees_all:
            return dict(values)
        names_goods = fold_name(parent) in GOODS_LISTS or not GOODS_IDS.isdisjoint(map(fold_name, values))
        return {
            self.name(key): self._within(value, parent=key, is_open=True)
            if names_goods and key == "name"
            else self._property(key, value)
            for key, value in values.items()
        }

    def _property(self, key: str, value: Any) -> Any:
        if value is None:
            return None
        return MASK if self._hides(key) else self._within(value, parent=key, is_open=self._opens(key))

    def _hides(self, key: str) -> bool:
        """Whether a property of this name, or a part of its dotted path, is personal whatever it holds."""
        if key in self.open_attributes:
            return False
        return is_telling(key) or any(fold_name(part) in self.personal for part in (key, *key.split(".")))

    def _opens(self, key: str) -> bool:
        """Whether text under this name, the last of a dotted path, is shown."""
        last = key.rpartition(".")[2]
        return key in self.open_attributes or last in self.open_attributes or fold_name(last) in COMMERCE

    def _within(self, value: Any, *, parent: str, is_open: bool) -> Any:
        match value:
            case Mapping():
                return self.properties(value, parent=parent)
            case list():
                return [self._within(item, parent=parent, is_open=is_open) for item in value]
            case str():
                return value if is_open and not _PERSONAL_TEXT.search(value) else MASK
            case int() | float() if not is_open and abs(value) >= LONG_NUMBER:
                return MASK
        return value

    def identifier(self, kind_key: str, value: str) -> str:
        return value if self.sees_all or kind_key in self.open_kinds else MASK

    def cover(self, condition: Mapping[str, Any]) -> str:
        """What the sentence of a rule shows in place of the compared value: `MASK` where it is personal, else nothing.

        `condition` has the `op`, `key` and `value` of the rule, the value as parsed.
        """
        if self.sees_all:
            return ""
        shown = {**condition, "value": as_json(condition["value"])}
        return "" if self.rule(shown) == shown else MASK

    def fact(self, fact: Fact) -> Fact:
        """What was found of somebody, its value masked where it is personal; a number that we counted is not."""
        if self.sees_all or fact.value is None:
            return fact
        match fact.owner:
            case Owner("attribute", key):
                return replace(fact, value=self.attribute(key, fact.value))
            case Owner("property", path):
                return replace(fact, value=self._property(path, fact.value))
            case Owner("identifier", kind) if kind in self.open_kinds:
                return fact
            case Owner("score"):
                return fact
            case None if isinstance(fact.value, int | float):
                return fact
        return replace(fact, value=MASK)

    def sentence(self, text: str) -> str:
        """Words made of a rule, without the addresses and numbers that its names may hold."""
        return text if self.sees_all else without_addresses(text)

    def reason(self, code: str, reason: str) -> str:
        """Why a message was rejected, without what it quotes of the message; what an exception said is hidden whole."""
        if self.sees_all:
            return reason
        if code == RejectedMessage.Code.FAILED:
            return ": ".join([*reason.split(": ")[:2], MASK])
        return self.sentence(_QUOTED.sub(MASK, reason) if code == RejectedMessage.Code.INVALID else reason)

    def rule(self, rule: Any) -> Any:
        """Rule JSON whose compared texts are masked where the attribute or property is not open.

        Numbers stay: a limit such as "more than 2" is the rule's own, and the rule stays readable.
        """
        if self.sees_all:
            return rule
        if isinstance(rule, list):
            return [self.rule(node) for node in rule]
        if not isinstance(rule, Mapping):
            return MASK if isinstance(rule, str) and _PERSONAL_TEXT.search(rule) else rule
        is_hidden = "value" in rule and not self._opens_condition(rule)
        return {
            part: _without_text(value) if is_hidden and part == "value" else self.rule(value)
            for part, value in rule.items()
        }

    def _opens_condition(self, condition: Mapping[str, Any]) -> bool:
        """A condition of a rule, or one of an event's `where`, which has no `op`."""
        op, key = condition.get("op"), condition.get("key")
        if op == "attribute":
            return key in self.open_attributes
        if op is None and isinstance(key, str):
            return not self._hides(key) and self._opens(key)
        return op in OPEN_OPS


def as_json(value: Any) -> Any:
    """A value of a parsed rule, with tuples for lists and dates, as JSON has it."""
    if isinstance(value, tuple):
        return [as_json(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


SEES_ALL = Masking(sees_all=True)


def _without_text(value: Any) -> Any:
    """A compared value without its texts and long numbers; a list of them does not tell how many there are."""
    match value:
        case list() if any(_without_text(item) != item for item in value):
            return [MASK]
        case Mapping():
            return {part: _without_text(inner) for part, inner in value.items()}
        case str():
            return MASK
        case int() | float() if abs(value) >= LONG_NUMBER:
            return MASK
    return value


def masking_for(user: Viewer) -> Masking:
    """The masking of one user: two queries the first time, none for who sees all; kept on the user object."""
    kept: Masking | None = getattr(user, "_masking", None)
    if kept is None:
        kept = SEES_ALL if may_see_pii(user) else _load()
        user._masking = kept  # type: ignore[union-attr]
    return kept


def _load() -> Masking:
    attributes = dict(AttributeDefinition.objects.values_list("key", "is_pii"))
    kinds = dict(IdentifierKind.objects.values_list("key", "is_personal"))
    personal_kinds = {key for key, is_personal in kinds.items() if is_personal}
    personal = {key for key, is_pii in attributes.items() if is_pii} | personal_kinds
    return Masking(
        sees_all=False,
        personal=frozenset(map(fold_name, personal)),
        open_attributes=frozenset(attributes.keys() - personal),
        open_kinds=frozenset(kinds.keys() - personal_kinds),
    )


def mask_attributes(attributes: Mapping[str, Any], user: Viewer) -> dict[str, Any]:
    """Attributes, or raw traits that did not fit their definition, by key."""
    return masking_for(user).attributes(attributes)


def mask_attribute(key: str, value: Any, user: Viewer) -> Any:
    """One value of an attribute, such as what one source said of it."""
    return masking_for(user).attribute(key, value)


def mask_identifier(kind_key: str, value: str, user: Viewer) -> str:
    return masking_for(user).identifier(kind_key, value)


def mask_event_properties(properties: Mapping[str, Any], user: Viewer) -> dict[str, Any]:
    """Properties of an event; those of `$identify` are traits, and masked by the same names."""
    return masking_for(user).properties(properties)


def mask_address(address: str, user: Viewer) -> str:
    """Where a delivery went, or what a channel answered, which may quote it; empty stays empty."""
    return address if not address or may_see_pii(user) else MASK


def mask_rule(rule: Any, user: Viewer) -> Any:
    """Rule JSON as this user may read it; what comes back for others than `view_pii` is for reading alone."""
    return masking_for(user).rule(rule)
