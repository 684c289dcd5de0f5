import pytest

from campaigns.models import Campaign
from campaigns.services.launch import LaunchError, check_launch, launch_campaign
from cdp.models import Run
from tests.factories.campaigns import CampaignFactory, ContentFactory
from tests.factories.cdp import UserFactory
from tests.factories.segments import MembershipFactory, TierFactory, TierStandingFactory

pytestmark = pytest.mark.django_db


def test_launching_queues_the_planning(now):
    campaign = ContentFactory().campaign
    user = UserFactory()

    run = launch_campaign(campaign, user=user, now=now)

    campaign.refresh_from_db()
    assert (campaign.state, campaign.launched_at) == (Campaign.State.PLANNING, now)
    assert (run.kind, run.subject, run.user, run.state) == ("plan_campaign", campaign.key, user, Run.State.QUEUED)


@pytest.mark.parametrize("state", [Campaign.State.PLANNING, Campaign.State.SENDING, Campaign.State.FINISHED])
def test_launching_twice_does_nothing_twice(state, now):
    campaign = ContentFactory().campaign
    first = launch_campaign(campaign, user=None, now=now)
    Campaign.objects.filter(pk=campaign.pk).update(state=state)

    second = launch_campaign(campaign, user=None, now=now)

    assert second == first
    assert Run.objects.count() == 1


def test_a_planning_that_failed_is_queued_again(now):
    campaign = ContentFactory().campaign
    first = launch_campaign(campaign, user=None, now=now)
    Run.objects.update(state=Run.State.FAILED)

    second = launch_campaign(campaign, user=None, now=now)

    assert second != first
    assert second.state == Run.State.QUEUED


def test_all_problems_are_told_at_once_and_nothing_is_begun(now):
    tier = TierFactory(name="Gold")
    campaign = CampaignFactory(channel="pigeon")
    ContentFactory(campaign=campaign, tier=tier, subject="{{ profile.name", body="{{ nobody }}")

    with pytest.raises(LaunchError) as raised:
        launch_campaign(campaign, user=None, now=now)

    assert raised.value.problems == [
        "There is no channel “pigeon”; there are: outbox.",
        "The content for “Gold” is for a tier of another scheme.",
        "The subject for “Gold” has an error. Line 1, character 1: expected '}}', found end of file",
        "The body for “Gold” has an error. Line 1, character 4: unknown variable “nobody”; "
        "there are: profile, scores, tags, tier",
    ]
    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.DRAFT
    assert not Run.objects.exists()


def test_a_campaign_without_content_is_not_launched(now):
    with pytest.raises(LaunchError, match="no content yet"):
        launch_campaign(CampaignFactory(), user=None, now=now)


def test_an_empty_audience_is_a_remark_and_no_problem():
    check = check_launch(ContentFactory().campaign)

    assert (check.n_recipients, check.problems) == (0, [])
    assert check.remarks == ["The audience is empty: nobody will be written to."]


def test_people_for_whom_there_is_no_content_are_a_remark():
    gold = TierFactory(name="Gold")
    silver = TierFactory(scheme=gold.scheme, name="Silver")
    campaign = CampaignFactory(tier_scheme=gold.scheme)
    for tier in (gold, silver, silver, None):
        profile = MembershipFactory(segment=campaign.segment).profile
        if tier:
            TierStandingFactory(tier=tier, profile=profile)
    ContentFactory(campaign=campaign, tier=gold)

    check = check_launch(campaign)

    assert check.n_recipients == 4
    assert check.remarks == [
        "2 people in “Silver” get nothing: there is no content for it, and none for everybody else.",
        "1 person in “no tier” gets nothing: there is no content for it, and none for everybody else.",
    ]
