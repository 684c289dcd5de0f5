"""`tier:SCHEME`: where people stand in a tier scheme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cdp.rules.types import ValueType
from profiles.dimensions import (
    Choice,
    Dimension,
    DimensionKind,
    RuleJson,
    Statement,
    UnknownDimension,
    register_dimension,
)
from profiles.masking import Masking
from segments.models import TierScheme
from segments.operators.tier import load_schemes


@dataclass(frozen=True)
class TierDimension(Dimension):
    """Values are the keys of the tiers, the highest first."""

    scheme: str = ""

    def statement(self, now: datetime) -> Statement:
        return STATEMENT, [self.scheme]

    def with_value(self, value: Any) -> RuleJson | None:
        return self._among([value])

    def with_others(self, values: Sequence[Any]) -> RuleJson | None:
        others = [key for key in self.names if key not in values]
        return self._among(others) if others else None

    def without(self) -> RuleJson | None:
        return {"not": self._among(list(self.names))} if self.names else None

    def _among(self, tiers: list[str]) -> RuleJson:
        return {"op": "tier", "scheme": self.scheme, "in": tiers}


STATEMENT = """
    SELECT standing.profile_id, to_jsonb(tier.key)
    FROM segments_tierstanding AS standing
    JOIN segments_tier AS tier ON tier.id = standing.tier_id
    JOIN segments_tierscheme AS scheme ON scheme.id = standing.scheme_id
    WHERE scheme.key = %s
"""


def find(name: str, masking: Masking) -> TierDimension:
    facts = load_schemes({name}).get(name)
    if facts is None:
        raise UnknownDimension(_("there is no tier scheme %(name)s") % {"name": repr(name)})
    names = {key: tier_name for key, (_id, tier_name) in facts.tiers.items()}
    return TierDimension(f"tier:{name}", facts.name, ValueType.TEXT, names, name)


def offer(masking: Masking) -> list[Choice]:
    """A portrait begins with the first scheme."""
    schemes = TierScheme.objects.order_by("name", "key").values_list("key", "name")
    return [Choice(key, name, is_first=place == 0) for place, (key, name) in enumerate(schemes)]


register_dimension(DimensionKind("tier", gettext_lazy("Tiers"), 30, offer, find))
