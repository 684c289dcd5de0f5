"""Campaigns that refer to segments, tier schemes and tags: as their audience, in their contents, in their templates."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.db.models import Q

from campaigns.models import Campaign
from cdp.dependents import Dependent, dependent, dependents


@dependents
def campaigns_to(holder_key: str) -> Iterator[Dependent]:
    """Those to an audience stay bound to it for ever, since their ledger speaks of it."""
    prefix, _colon, key = holder_key.partition(":")
    if prefix == "segment":
        yield from (dependent(campaign) for campaign in Campaign.objects.filter(segment__key=key))
    elif prefix == "tier":
        for campaign in Campaign.objects.filter(tier_scheme__key=key).prefetch_related("contents__tier"):
            parts = [content.tier.key for content in campaign.contents.all() if content.tier is not None]
            yield dependent(campaign, parts=parts)
    elif prefix == "tag":
        yield from campaigns_that_name(key)


def campaigns_that_name(tag_key: str) -> Iterator[Dependent]:
    """In the templates, as `tags.vip` or `tags["vip"]`; those that are sent say it no more."""
    named = re.compile(rf"""\btags(\.{re.escape(tag_key)}(?![\w-])|\[\s*["']{re.escape(tag_key)}["']\s*\])""")
    speaks = Q(contents__subject__contains=tag_key) | Q(contents__body__contains=tag_key)
    unsent = Campaign.objects.exclude(state=Campaign.State.FINISHED)
    for campaign in unsent.filter(speaks).distinct().prefetch_related("contents"):
        if any(named.search(f"{content.subject}\n{content.body}") for content in campaign.contents.all()):
            yield dependent(campaign)
