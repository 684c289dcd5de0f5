"""What the feeds tell, beside what is so."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from profiles.models import Profile
from segments.models import Membership, MembershipChange, TierChange, TierStanding
from tags.feeds import carried
from tags.models import Tag, TagChange

FEEDS: list[tuple[Any, str]] = [
    (MembershipChange, "segment__key"),
    (TagChange, "tag__key"),
    (TierChange, "scheme__key"),
]


def written_state() -> dict[tuple[str, str], dict[int, Any]]:
    """By thing and profile, what is written."""
    state: dict[tuple[str, str], dict[int, Any]] = defaultdict(dict)
    for key, pk in Membership.objects.values_list("segment__key", "profile"):
        state["segment", key][pk] = "in"
    keys = dict(Tag.objects.values_list("pk", "key"))
    everybody = list(Profile.objects.values_list("pk", flat=True))
    for (tag_id, pk), value in carried(everybody, None).items():
        state["tag", keys[tag_id]][pk] = value
    for key, pk, tier in TierStanding.objects.values_list("scheme__key", "profile", "tier__key"):
        state["tier", key][pk] = tier
    return state


def replayed(until: datetime) -> dict[tuple[str, str], dict[int, Any]]:
    """The same for whoever read the feeds until then. No row tells what was so already."""
    state: dict[tuple[str, str], dict[int, Any]] = defaultdict(dict)
    moves = MembershipChange.objects.filter(at__lte=until).order_by("pk")
    rows = [
        ("segment", key, pk, *(("in", None) if change == "left" else (None, "in")))
        for key, pk, change in moves.values_list("segment__key", "profile", "change")
    ]
    values = ("profile", "before", "after")
    rows += [
        ("tag", *row) for row in TagChange.objects.filter(at__lte=until).order_by("pk").values_list("tag__key", *values)
    ]
    rows += [
        ("tier", *row)
        for row in TierChange.objects.filter(at__lte=until).order_by("pk").values_list("scheme__key", *values)
    ]
    for family, key, pk, before, after in rows:
        held = state[family, key]
        assert held.pop(pk, None) == before != after
        if after is not None:
            held[pk] = after
    return defaultdict(dict, {thing: held for thing, held in state.items() if held})
