"""How a campaign stands: the ledger, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from django.db.models import Count

from campaigns.models import Campaign, Delivery


@dataclass
class TierStats:
    """Deliveries of one tier by state; key and name are "" for people in no tier."""

    key: str
    name: str
    by_state: Counter[str] = field(default_factory=Counter)

    @property
    def n_deliveries(self) -> int:
        return self.by_state.total()


@dataclass
class CampaignStats:
    """Counts of deliveries. `by_state` has every state, `by_reason` those that occur, `tiers` go from the highest."""

    by_state: dict[str, int]
    by_reason: dict[str, int]
    tiers: list[TierStats]

    @property
    def n_deliveries(self) -> int:
        return sum(self.by_state.values())


def campaign_stats(campaign: Campaign) -> CampaignStats:
    """Count the campaign's ledger in one query."""
    by_state: Counter[str] = Counter()
    by_reason: Counter[str] = Counter()
    tiers: dict[str, TierStats] = {}
    rows = (
        Delivery.objects.filter(campaign=campaign)
        .values_list("tier__key", "tier__name", "state", "reason")
        .annotate(n=Count("pk"))
        .order_by("tier__position", "state", "reason")
    )
    for key, name, state, reason, n_deliveries in rows:
        by_state[state] += n_deliveries
        if reason:
            by_reason[reason] += n_deliveries
        tier = tiers.setdefault(key or "", TierStats(key or "", name or ""))
        tier.by_state[state] += n_deliveries
    return CampaignStats(
        by_state={state: by_state[state] for state in Delivery.State.values},
        by_reason=dict(by_reason),
        tiers=list(tiers.values()),
    )
