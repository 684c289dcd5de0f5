"""`tag:KEY`: who carries a tag, by its values."""

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
from tags.models import Tag
from tags.operators.tag import load_tags

NO_VALUE = ""
N_OFFERED = 300


@dataclass(frozen=True)
class TagDimension(Dimension):
    """Values are the keys of the tag's values; NO_VALUE where it is carried without one."""

    key: str = ""
    tag_id: int = 0
    values: tuple[str, ...] = ()

    @property
    def name_of_empty(self) -> str:
        return _("Without a value")

    def statement(self, now: datetime) -> Statement:
        return STATEMENT, [NO_VALUE, self.tag_id, now]

    def with_value(self, value: Any) -> RuleJson:
        if value != NO_VALUE:
            return {**self._carried, "value": [value]}
        if not self.values:
            return self._carried
        return {"all": [self._carried, {"not": {**self._carried, "value": list(self.values)}}]}

    def with_others(self, values: Sequence[Any]) -> RuleJson | None:
        if NO_VALUE in values:  # who carries it without a value is none of the others
            others = [value for value in self.values if value not in values]
            return {**self._carried, "value": others} if others else None
        return {"all": [self._carried, {"not": {**self._carried, "value": list(values)}}]} if values else None

    def without(self) -> RuleJson:
        return {"not": self._carried}

    @property
    def _carried(self) -> RuleJson:
        return {"op": "tag", "key": self.key}


STATEMENT = """
    SELECT assignment.profile_id, to_jsonb(coalesce(value.key, %s))
    FROM tags_tagassignment AS assignment
    LEFT JOIN tags_tagvalue AS value ON value.id = assignment.value_id
    WHERE assignment.tag_id = %s AND (assignment.expires_at IS NULL OR assignment.expires_at > %s)
"""


def find(name: str, masking: Masking) -> TagDimension:
    return tag_dimension(name)


def tag_dimension(name: str) -> TagDimension:
    """Of a tag by its key. Raises UnknownDimension, also for one that is archived."""
    facts = load_tags({name}).get(name)
    if facts is None:
        raise UnknownDimension(_("there is no tag %(name)s") % {"name": repr(name)})
    names = {key: value_name for key, (_id, value_name) in facts.values.items()}
    shown = names or {NO_VALUE: _("With the tag")}
    return TagDimension(f"tag:{name}", facts.name, ValueType.TEXT, shown, name, facts.id, tuple(names))


def offer(masking: Masking) -> list[Choice]:
    tags = Tag.objects.current().order_by("name", "key").values_list("key", "name")
    return [Choice(key, name) for key, name in tags[:N_OFFERED]]


register_dimension(DimensionKind("tag", gettext_lazy("Tags"), 20, offer, find))
