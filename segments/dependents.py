"""Segments and tier schemes whose rules refer to others, and how rules speak of them."""

from __future__ import annotations

from collections.abc import Iterator

from cdp.dependents import Dependent, Mention, dependents, family_mentioned, in_rules
from segments.models import Segment, TierScheme

family_mentioned("segment", Mention("segment", "key"))
family_mentioned("tier", Mention("tier", "scheme", "in"))


@dependents
def segments_by_rule(holder_key: str) -> Iterator[Dependent]:
    """What an archived one, or a snapshot, was filled by is history."""
    for segment in Segment.objects.exclude(rule=None):
        is_binding = segment.kind == Segment.Kind.DYNAMIC and segment.archived_at is None
        key = f"segment:{segment.key}"
        yield from in_rules(holder_key, segment, [segment.rule], own_key=key, is_binding=is_binding)


@dependents
def tier_schemes(holder_key: str) -> Iterator[Dependent]:
    for scheme in TierScheme.objects.prefetch_related("tiers"):
        rules = [tier.entry for tier in scheme.tiers.all()]
        yield from in_rules(holder_key, scheme, rules, own_key=f"tier:{scheme.key}")
