"""Evidence in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

FIELD_NAMES: Mapping[str, Promise] = {
    "name": pgettext_lazy("attribute", "Name"),
    "email": _("Email"),
    "phone": _("Phone"),
    "birthday": _("Birthday"),
    "gender": _("Gender"),
    "street": _("Street"),
    "place": _("Place"),
}
LEVEL_WORDS: Mapping[tuple[str, str], Promise] = {
    ("name", "same"): _("same name"),
    ("name", "swapped"): _("same name, in another order"),
    ("name", "same_letters"): _("same name in Latin letters"),
    ("name", "alike"): _("names are similar"),
    ("name", "other_first"): _("same last name, another first name"),
    ("name", "same_last"): _("same last name"),
    ("name", "same_first"): _("same first name"),
    ("name", "partly"): _("names are partly similar"),
    ("name", "differs"): _("names differ"),
    ("email", "same"): _("same email"),
    ("email", "same_local"): _("same email name at another provider"),
    ("email", "one_edit"): _("emails differ in one character"),
    ("email", "alike"): _("email names are similar"),
    ("email", "differs"): _("emails differ"),
    ("phone", "same"): _("same phone"),
    ("phone", "one_edit"): _("phones differ in one digit"),
    ("phone", "same_end"): _("phones end with the same seven digits"),
    ("phone", "differs"): _("phones differ"),
    ("birthday", "same"): _("same birthday"),
    ("birthday", "one_edit"): _("birthdays differ in one digit"),
    ("birthday", "swapped"): _("day and month of birth are swapped"),
    ("birthday", "differs"): _("birthdays differ"),
    ("gender", "same"): _("same gender"),
    ("gender", "differs"): _("genders differ"),
    ("street", "same"): _("same street and number"),
    ("street", "alike"): _("streets are similar"),
    ("street", "differs"): _("streets differ"),
    ("place", "same"): _("same postcode and city"),
    ("place", "near"): _("same city, postcodes differ in one digit"),
    ("place", "same_postcode"): _("same postcode"),
    ("place", "same_city"): _("same city"),
    ("place", "same_province"): _("same province"),
    ("place", "differs"): _("places differ"),
}
# From which weight on, in bits, the highest first: each bit doubles the odds.
STRENGTHS = (
    (8.0, "strong", pgettext_lazy("evidence", "speaks strongly for")),
    (3.0, "for", pgettext_lazy("evidence", "speaks for")),
    (0.5, "weak", pgettext_lazy("evidence", "speaks a little for")),
    (-0.5, "none", pgettext_lazy("evidence", "says little")),
    (-3.0, "against", pgettext_lazy("evidence", "speaks against")),
    (float("-inf"), "strong-against", pgettext_lazy("evidence", "speaks strongly against")),
)


class Told(NamedTuple):
    """One piece of evidence in words; `strength` is the key of how much it tells."""

    field: Promise | str
    says: Promise | str
    strength: str
    tells: Promise
    weight: float


def told(evidence: Mapping[str, Any]) -> Told:
    """A piece of `DuplicateSuggestion.evidence`."""
    field, level, weight = evidence["field"], evidence["level"], evidence["weight"]
    strength, tells = next((key, words) for least, key, words in STRENGTHS if weight >= least)
    return Told(FIELD_NAMES.get(field, field), LEVEL_WORDS.get((field, level), level), strength, tells, weight)
