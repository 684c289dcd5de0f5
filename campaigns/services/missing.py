"""How many people of an audience lack a value that their content prints, known before the launch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns.models import Campaign, Content
from campaigns.rendering import needed_attributes
from profiles.models import Profile
from segments.models import Membership, TierStanding


def without_values(campaign: Campaign) -> Iterator[str]:
    """Remarks, one for each attribute of each content; one query for each content that prints attributes."""
    contents = list(campaign.contents.select_related("tier").order_by("tier__position", "id"))
    covered = [content.tier_id for content in contents if content.tier_id is not None]
    for content in contents:
        keys = sorted({*needed_attributes(content.subject), *needed_attributes(content.body)})
        for key, n_people in _count_lacking(_readers(campaign, content, covered), keys):
            yield ngettext(
                "%(n)s person gets nothing: the content for “%(tier)s” prints “%(key)s”, which is not known of them.",
                "%(n)s people get nothing: the content for “%(tier)s” prints “%(key)s”, which is not known of them.",
                n_people,
            ) % {"n": n_people, "key": key, "tier": content.tier.name if content.tier else _("everybody else")}


def _readers(campaign: Campaign, content: Content, covered: list[int]) -> QuerySet[Profile]:
    """Whose content it is: those in its tier, or for the fallback those in no tier that has its own."""
    standings = TierStanding.objects.filter(scheme=campaign.tier_scheme_id, profile=OuterRef("pk"))
    if content.tier_id is not None:
        return _audience(campaign).filter(Exists(standings.filter(tier=content.tier_id)))
    return _audience(campaign).exclude(Exists(standings.filter(tier__in=covered)))


def _count_lacking(readers: QuerySet[Profile], keys: list[str]) -> Iterator[tuple[str, int]]:
    if not keys:
        return
    counts: dict[str, Any] = {
        f"n{index}": Count("pk", filter=~Q(attributes__has_key=key)) for index, key in enumerate(keys)
    }
    found = readers.aggregate(**counts)
    for index, key in enumerate(keys):
        if found[f"n{index}"]:
            yield key, found[f"n{index}"]


def _audience(campaign: Campaign) -> QuerySet[Profile]:
    """The people of the audience as it is now."""
    person = OuterRef("pk")
    if campaign.segment_id is not None:
        return Profile.objects.filter(Exists(Membership.objects.filter(segment=campaign.segment_id, profile=person)))
    return Profile.objects.filter(Exists(TierStanding.objects.filter(scheme=campaign.tier_scheme_id, profile=person)))
