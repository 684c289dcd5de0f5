"""A campaign to a segment by hand, from the API to the last delivery."""

from datetime import timedelta

import pytest

from campaigns.models import Campaign
from campaigns.services.deliver import deliver_due
from campaigns.services.launch import check_launch
from campaigns.services.plan import plan_campaign
from cdp.models import Run
from profiles.models import Profile, ProfileMerge
from profiles.services.erase import erase_empty
from profiles.services.identity import merge_profiles, undo_merge
from segments.models import Segment
from tests.clients import api_of
from tests.factories.campaigns import CampaignFactory, ReachableFactory, SuppressionFactory
from tests.factories.profiles import ConsentFactory

pytestmark = pytest.mark.django_db
NAMES = ("ann", "bob", "cleo", "dan", "eve", "fay")


@pytest.fixture
def people(now):
    """By name, from the oldest."""
    return {
        name: ReachableFactory(email=f"{name}@example.com", first_seen_at=now - timedelta(days=9 - n))
        for n, name in enumerate(NAMES)
    }


@pytest.fixture
def guests(people):
    """A segment by hand with everybody but Fay in it."""
    api_of("operator").send("post", "segments/", {"key": "guests", "name": "Guests", "kind": "static"})
    add(*NAMES[:-1])
    return Segment.objects.get(key="guests")


def named(*names):
    return {"identifiers": [{"kind": "email", "value": f"{name}@example.com"} for name in names]}


def add(*names):
    assert api_of("operator").send("post", "segments/guests/profiles/", named(*names)).json()["added"] == len(names)


def remove(*names):
    answer = api_of("operator").send("delete", "segments/guests/profiles/", named(*names)).json()
    assert answer["removed"] == len(names)


def launch(now):
    """Planned, and nothing delivered yet."""
    api = api_of("campaign_manager")
    body = {
        "key": "gala",
        "name": "Gala",
        "channel": "outbox",
        "audience": {"segment": "guests", "tier_scheme": None},
        "trigger": "now",
        "contents": [{"tier": "*", "subject": "Come", "body": "<p>Come</p>"}],
    }
    assert api.send("post", "campaigns/", body).status_code == 201
    run = Run.objects.get(pk=api.send("post", "campaigns/gala/launch/").json()["id"])
    plan_campaign(run, now=now)
    return Campaign.objects.get(key="gala")


def settled(campaign, now):
    """What became of each delivery, by address."""
    while deliver_due(now=now):
        pass
    return sorted(campaign.deliveries.order_by("pk").values_list("address", "state", "reason"))


def sent_to(*names):
    return [(f"{name}@example.com", "sent", "") for name in names]


@pytest.mark.usefixtures("guests")
def test_everybody_in_it_is_written_to_once_and_nobody_else(now):
    remove("eve")

    assert settled(launch(now), now) == sent_to("ann", "bob", "cleo", "dan")


@pytest.mark.usefixtures("guests")
def test_the_audience_is_that_of_the_planning(now):
    campaign = launch(now)
    remove("eve")
    add("fay")

    assert settled(campaign, now) == sent_to("ann", "bob", "cleo", "dan", "eve")


def test_who_must_not_be_written_to_is_counted_before_and_left_out(guests, people, now):
    SuppressionFactory(value="ann@example.com")
    ConsentFactory(profile=people["bob"], state="denied")
    people["cleo"].identifiers.all().delete()

    campaign = launch(now)

    check = check_launch(campaign)
    assert (check.n_recipients, check.n_reachable) == (5, 2)
    assert settled(campaign, now) == [
        ("", "suppressed", "no_address"),
        ("", "suppressed", "no_consent"),
        ("", "suppressed", "suppressed"),
        *sent_to("dan", "eve"),
    ]


def test_of_two_who_became_one_the_person_is_written_to_once(guests, people, now):
    ann, bob = people["ann"], people["bob"]
    merge_profiles([ann.pk, bob.pk], user=None, now=now)
    guests.refresh_from_db()

    campaign = launch(now)

    assert guests.n_members == 4
    assert campaign.deliveries.filter(profile__in=[ann, bob]).count() == 1
    assert len(settled(campaign, now)) == 4


def test_of_two_who_are_two_again_each_is_written_to(guests, people, now):
    merge_profiles([people["ann"].pk, people["bob"].pk], user=None, now=now)
    undo_merge(ProfileMerge.objects.get(), user=None, now=now)

    assert settled(launch(now), now) == sent_to(*NAMES[:-1])


def test_a_suppression_stays_with_its_address_through_merge_split_and_erasure(guests, people, now):
    """It is of an address, and no row of a person."""
    SuppressionFactory(value="bob@example.com")
    draft = CampaignFactory(segment=guests)
    ann, bob = people["ann"], people["bob"]

    merge_profiles([ann.pk, bob.pk], user=None, now=now)
    Profile.objects.filter(pk=ann.pk).update(attributes={"email": "bob@example.com"})
    merged = check_launch(draft).n_reachable
    undo_merge(ProfileMerge.objects.get(), user=None, now=now)
    apart = check_launch(draft).n_reachable
    bob.identifiers.all().delete()
    erase_empty([bob.pk], now=now)
    ReachableFactory(email="bob@example.com")
    add("bob")

    assert (merged, apart, check_launch(draft).n_reachable) == (3, 4, 4)
    assert settled(launch(now), now) == [("", "suppressed", "suppressed"), *sent_to("ann", "cleo", "dan", "eve")]
