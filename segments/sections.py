"""Where a person belongs: segments and tiers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from profiles.models import Profile
from profiles.sections import Section, register_section
from segments.models import Membership, TierStanding


def load_segments(profile_ids: Sequence[int]) -> dict[int, list[str]]:
    """Keys of the segments in use that the profile is in, sorted; one query."""
    rows = (
        Membership.objects.filter(profile_id__in=profile_ids, segment__archived_at__isnull=True)
        .order_by("segment__key")
        .values_list("profile_id", "segment__key")
    )
    found: defaultdict[int, list[str]] = defaultdict(list)
    for profile_id, key in rows:
        found[profile_id].append(key)
    return found


def load_tiers(profile_ids: Sequence[int]) -> dict[int, dict[str, str]]:
    """`{scheme: tier}` of the profile's standings, by scheme; one query."""
    rows = (
        TierStanding.objects.filter(profile_id__in=profile_ids)
        .order_by("scheme__key")
        .values_list("profile_id", "scheme__key", "tier__key")
    )
    found: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for profile_id, scheme, tier in rows:
        found[profile_id][scheme] = tier
    return found


def tier_names(profile_ids: Sequence[int]) -> dict[int, list[str]]:
    """Names of the tiers that each profile stands in; one query."""
    rows = (
        TierStanding.objects.filter(profile_id__in=profile_ids)
        .order_by("scheme__key")
        .values_list("profile_id", "tier__name")
    )
    found: defaultdict[int, list[str]] = defaultdict(list)
    for profile_id, name in rows:
        found[profile_id].append(name)
    return found


def segments_on_page(request: HttpRequest, profile: Profile) -> dict[str, Any]:
    in_use = Membership.objects.filter(profile=profile, segment__archived_at__isnull=True)
    memberships = in_use.select_related("segment").order_by("segment__name")
    return {"memberships": memberships}


def tiers_on_page(request: HttpRequest, profile: Profile) -> dict[str, Any]:
    standings = TierStanding.objects.filter(profile=profile).select_related("scheme", "tier").order_by("scheme__name")
    return {"standings": standings}


register_section(
    Section(
        key="segments",
        order=30,
        load=load_segments,
        empty=list,
        title=_("Segments"),
        template="segments/segments_section.html",
        page=segments_on_page,
    )
)
register_section(
    Section(
        key="tiers",
        order=10,
        load=load_tiers,
        empty=dict,
        title=_("Tiers"),
        template="segments/tiers_section.html",
        page=tiers_on_page,
        names=tier_names,
    )
)
