import pytest

from campaigns.services.stats import campaign_stats
from tests.factories.campaigns import CampaignFactory, DeliveryFactory
from tests.factories.segments import TierFactory

pytestmark = pytest.mark.django_db


def test_the_ledger_is_counted_by_state_reason_and_tier_in_one_query(django_assert_num_queries):
    campaign = CampaignFactory()
    gold = TierFactory(key="gold", name="Gold")
    silver = TierFactory(scheme=gold.scheme, key="silver", name="Silver")
    for tier, state, reason in (
        (silver, "sent", ""),
        (gold, "sent", ""),
        (gold, "sent", ""),
        (gold, "suppressed", "no_consent"),
        (None, "unknown", ""),
    ):
        DeliveryFactory(campaign=campaign, tier=tier, state=state, reason=reason)
    DeliveryFactory()  # of another campaign

    with django_assert_num_queries(1):
        stats = campaign_stats(campaign)

    assert stats.n_deliveries == 5
    assert stats.by_state == {
        "planned": 0, "claimed": 0, "sending": 0, "sent": 3, "failed": 0, "suppressed": 1, "unknown": 1,
    }  # fmt: skip
    assert stats.by_reason == {"no_consent": 1}
    assert [(tier.key, tier.name, tier.n_deliveries) for tier in stats.tiers] == [
        ("gold", "Gold", 3),
        ("silver", "Silver", 1),
        ("", "", 1),
    ]
    assert stats.tiers[0].by_state["sent"] == 2
