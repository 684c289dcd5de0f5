from datetime import timedelta

import pytest

from campaigns.models import Campaign, Delivery
from campaigns.services import plan
from campaigns.services.launch import launch_campaign
from campaigns.services.plan import plan_campaign
from tests.factories.campaigns import CampaignFactory, ContentFactory
from tests.factories.profiles import ProfileFactory
from tests.factories.segments import (
    MembershipFactory,
    SegmentFactory,
    TierFactory,
    TierSchemeFactory,
    TierStandingFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def club():
    """Gold above silver, and one person in each; a third is in neither."""
    scheme = TierSchemeFactory()
    segment = SegmentFactory()
    gold, silver = TierFactory(scheme=scheme, key="gold"), TierFactory(scheme=scheme, key="silver")
    for tier in (gold, silver, None):
        profile = MembershipFactory(segment=segment).profile
        if tier:
            TierStandingFactory(tier=tier, profile=profile)
    return CampaignFactory(segment=segment, tier_scheme=scheme)


def tier_of(campaign, key):
    return campaign.tier_scheme.tiers.get(key=key)


def planned(campaign, now):
    plan_campaign(launch_campaign(campaign, user=None, now=now), now=now)
    return campaign.deliveries.order_by("profile_id")


def test_each_tier_gets_its_content_and_everybody_else_the_fallback(club, now):
    gold = ContentFactory(campaign=club, tier=tier_of(club, "gold"), subject="Gold")
    fallback = ContentFactory(campaign=club, subject="Everybody else")

    deliveries = planned(club, now)

    assert [(row.tier and row.tier.key, row.content) for row in deliveries] == [
        ("gold", gold),
        ("silver", fallback),
        (None, fallback),
    ]
    assert {(row.state, row.not_before, row.planned_at) for row in deliveries} == {("planned", now, now)}


def test_who_has_no_content_is_kept_in_the_ledger_with_the_reason(club, now):
    ContentFactory(campaign=club, tier=tier_of(club, "gold"))

    deliveries = planned(club, now)

    assert [(row.state, row.reason) for row in deliveries] == [
        ("planned", ""),
        ("suppressed", "no_content"),
        ("suppressed", "no_content"),
    ]
    assert [row.settled_at for row in deliveries] == [None, now, now]


def test_a_scheme_alone_is_an_audience(club, now):
    club.segment = None
    club.save()
    ContentFactory(campaign=club)

    assert [row.tier.key for row in planned(club, now)] == ["gold", "silver"]


def test_planning_ends_in_sending_and_an_empty_audience_too(now):
    campaign = ContentFactory().campaign

    assert list(planned(campaign, now)) == []

    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.SENDING


@pytest.mark.parametrize("n_pages_before_the_kill", [0, 1, 2, 3])
def test_killed_between_pages_and_run_again_plans_the_same_rows(n_pages_before_the_kill, now, monkeypatch):
    campaign = ContentFactory().campaign
    people = [MembershipFactory(segment=campaign.segment).profile_id for _ in range(5)]
    monkeypatch.setattr(plan, "PLAN_SIZE", 2)
    run = launch_campaign(campaign, user=None, now=now)
    original = plan._plan_page
    calls = []

    def killed(*args, **kwargs):
        if len(calls) == n_pages_before_the_kill:
            raise KeyboardInterrupt
        calls.append(1)
        return original(*args, **kwargs)

    monkeypatch.setattr(plan, "_plan_page", killed)
    with pytest.raises(KeyboardInterrupt):
        plan_campaign(run, now=now)
    before = list(campaign.deliveries.order_by("pk").values())
    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.PLANNING
    monkeypatch.setattr(plan, "_plan_page", original)

    plan_campaign(run, now=now + timedelta(minutes=1))

    rows = list(campaign.deliveries.order_by("pk").values())
    assert rows[: len(before)] == before
    assert sorted(row["profile_id"] for row in rows) == people


def test_planned_to_the_end_is_not_planned_again(now):
    campaign = ContentFactory().campaign
    MembershipFactory(segment=campaign.segment)
    run = launch_campaign(campaign, user=None, now=now)
    plan_campaign(run, now=now)
    MembershipFactory(segment=campaign.segment)  # came after the audience was frozen

    plan_campaign(run, now=now)

    assert campaign.deliveries.count() == 1


def test_planning_takes_a_query_or_two_a_page(now, django_assert_max_num_queries):
    campaign = ContentFactory().campaign
    profiles = ProfileFactory.create_batch(30)
    for profile in profiles:
        MembershipFactory(segment=campaign.segment, profile=profile)
    run = launch_campaign(campaign, user=None, now=now)

    with django_assert_max_num_queries(13):
        plan_campaign(run, now=now)

    assert Delivery.objects.count() == 30
