"""Tags whose rules refer to others, and how rules speak of tags."""

from __future__ import annotations

from collections.abc import Iterator

from cdp.dependents import Dependent, Mention, dependents, family_mentioned, in_rules
from tags.models import FILLED_BY_RULE, Tag

family_mentioned("tag", Mention("tag", "key", "value"))


@dependents
def tags_by_rule(holder_key: str) -> Iterator[Dependent]:
    """Drafts too: they could not be activated any more."""
    for tag in Tag.objects.filter(kind__in=FILLED_BY_RULE).prefetch_related("values"):
        rules = [tag.rule, *(value.rule for value in tag.values.all())]
        is_binding = tag.lifecycle != Tag.Lifecycle.ARCHIVED
        yield from in_rules(holder_key, tag, rules, own_key=f"tag:{tag.key}", is_binding=is_binding)
