import json
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry

from campaigns.models import Campaign
from campaigns.services.audience import render_samples
from campaigns.services.deliver import deliver_due
from campaigns.services.launch import LaunchError, check_launch, launch_campaign
from campaigns.services.plan import plan_campaign
from cdp.models import Run
from profiles.masking import MASK
from profiles.models import Consent
from tests.factories.campaigns import CampaignFactory, ContentFactory, ReachableFactory, SuppressionFactory
from tests.factories.cdp import UserFactory
from tests.factories.profiles import SEEN_AT, IdentifierFactory, ProfileFactory
from tests.factories.segments import MembershipFactory, TierFactory, TierStandingFactory

pytestmark = pytest.mark.django_db


def test_launching_queues_the_planning(now):
    campaign = ContentFactory().campaign
    user = UserFactory()

    run = launch_campaign(campaign, user=user, now=now)

    campaign.refresh_from_db()
    assert (campaign.state, campaign.launched_at) == (Campaign.State.PLANNING, now)
    assert (run.kind, run.subject, run.user, run.state) == ("plan_campaign", campaign.key, user, Run.State.QUEUED)


def test_a_launch_leaves_one_audit_entry_of_who_launched(now):
    campaign, user = ContentFactory().campaign, UserFactory()

    launch_campaign(campaign, user=user, now=now)
    launch_campaign(campaign, user=user, now=now)

    entry = LogEntry.objects.get(object_id=str(campaign.pk), user=user)
    [part] = json.loads(entry.change_message)
    assert part["values"] == {"state": ["draft", "planning"], "launched_at": [None, "2026-06-15T04:00:00Z"]}


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
        "The subject for “Gold” has an error. Line 1, character 1: “{{” is never closed with “}}”",
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
        profile = MembershipFactory(segment=campaign.segment, profile=ReachableFactory()).profile
        if tier:
            TierStandingFactory(tier=tier, profile=profile)
    ContentFactory(campaign=campaign, tier=gold)

    check = check_launch(campaign)

    assert check.n_recipients == 4
    assert check.remarks == [
        "2 people in “Silver” get nothing: there is no content for it, and none for everybody else.",
        "1 person in “no tier” gets nothing: there is no content for it, and none for everybody else.",
    ]


def test_the_audience_is_counted_by_tier_with_whom_it_reaches():
    gold = TierFactory(name="Gold")
    campaign = CampaignFactory(tier_scheme=gold.scheme)
    in_gold = [ReachableFactory(), ReachableFactory(), ProfileFactory()]
    without = ReachableFactory()
    for profile in (*in_gold, without):
        MembershipFactory(segment=campaign.segment, profile=profile)
    for profile in in_gold:
        TierStandingFactory(tier=gold, profile=profile)
    consent(in_gold[0], "denied")
    consent(without, "denied")
    consent(without, "granted", after=timedelta(days=1))
    ContentFactory(campaign=campaign)

    check = check_launch(campaign)

    assert (check.n_recipients, check.n_reachable) == (4, 2)
    assert [(tier.name, tier.n_recipients, tier.n_reachable) for tier in check.tiers] == [("Gold", 3, 1), ("", 1, 1)]
    assert check.parts[gold.pk].first_id == in_gold[1].pk


@pytest.mark.parametrize(("channel", "n_reachable"), [("", 0), ("email", 0), ("sms", 1)])
def test_an_address_that_is_suppressed_is_out_of_reach(channel, n_reachable):
    campaign = ContentFactory().campaign
    MembershipFactory(segment=campaign.segment, profile=ReachableFactory(email="ann@example.com"))
    SuppressionFactory(value="ann@example.com", channel=channel)

    assert check_launch(campaign).n_reachable == n_reachable


@pytest.mark.parametrize(
    ("named", "suppressed", "n_reachable"),
    [("Old@Example.com ", "old", 0), ("old@example.com", "new", 1), ("", "old", 1), ("", "new", 0), ("gone", "new", 0)],
)
def test_of_several_addresses_the_one_that_is_written_to_counts(named, suppressed, n_reachable, now):
    campaign = ContentFactory().campaign
    ann = MembershipFactory(segment=campaign.segment, profile=ProfileFactory(attributes={"email": named})).profile
    for age, name in ((2, "old"), (1, "new")):
        first_seen_at = now - timedelta(days=age)
        IdentifierFactory(kind_key="email", value=f"{name}@example.com", profile=ann, first_seen_at=first_seen_at)
    SuppressionFactory(value=f"{suppressed}@example.com")

    counted = check_launch(campaign).n_reachable
    plan_campaign(launch_campaign(campaign, user=None, now=now), now=now)
    while deliver_due(now=now):
        pass

    assert counted == n_reachable
    assert campaign.deliveries.filter(state="sent").count() == n_reachable


def test_an_audience_out_of_reach_is_a_remark():
    campaign = ContentFactory().campaign
    MembershipFactory(segment=campaign.segment)

    assert check_launch(campaign).remarks == [
        "Nobody in the audience can be reached: no address may be written to, or consent was denied."
    ]


def test_every_content_is_shown_as_somebody_would_get_it():
    gold = TierFactory(name="Gold")
    campaign = CampaignFactory(tier_scheme=gold.scheme)
    golden, other = (ReachableFactory(attributes={"name": name}) for name in ("Ann", "Bob"))
    for profile in (golden, other):
        MembershipFactory(segment=campaign.segment, profile=profile)
    TierStandingFactory(tier=gold, profile=golden)
    ContentFactory(campaign=campaign, tier=gold, subject="{{ profile.name }} in {{ tier.name }}")
    ContentFactory(campaign=campaign, subject="{{ profile.name }}", body="{{ tier.name }}")
    viewer = UserFactory(is_superuser=True)

    first, second = render_samples(campaign, check_launch(campaign).parts, viewer=viewer)

    assert (first.tier, first.person, first.message.subject) == ("Gold", golden, "Ann in Gold")
    assert (second.tier, second.person, second.message, second.problem) == ("", other, None, "tier.name")


def test_a_sample_hides_what_the_viewer_may_not_see():
    campaign = ContentFactory(subject="{{ profile.name }}").campaign
    MembershipFactory(segment=campaign.segment, profile=ReachableFactory(attributes={"name": "Ann"}))

    (sample,) = render_samples(campaign, check_launch(campaign).parts, viewer=UserFactory())

    assert sample.message.subject == MASK


def test_looking_takes_as_many_queries_for_many_as_for_one(django_assert_max_num_queries):
    scheme = TierFactory().scheme
    campaign = CampaignFactory(tier_scheme=scheme)
    for tier in (scheme.tiers.get(), *(TierFactory(scheme=scheme) for _n in range(4))):
        ContentFactory(campaign=campaign, tier=tier)
        profile = ReachableFactory()
        MembershipFactory(segment=campaign.segment, profile=profile)
        TierStandingFactory(tier=tier, profile=profile)
    viewer = UserFactory(is_superuser=True)

    with django_assert_max_num_queries(14):
        samples = render_samples(campaign, check_launch(campaign).parts, viewer=viewer)

    assert all(sample.message for sample in samples)


def consent(profile, state, *, after=timedelta()):
    Consent.objects.create(
        profile=profile, origin=profile, channel="email", state=state, occurred_at=SEEN_AT + after, message_id=state
    )
