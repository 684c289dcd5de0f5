from datetime import timedelta

import pytest

from campaigns.models import Campaign, Content, Delivery
from cdp.models import Run
from profiles.masking import MASK
from profiles.models import Profile
from tests.clients import api_of
from tests.factories.campaigns import CampaignFactory, ContentFactory, DeliveryFactory, ReachableFactory
from tests.factories.profiles import SEEN_AT, ProfileFactory
from tests.factories.segments import MembershipFactory, SegmentFactory, TierFactory, TierSchemeFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def club():
    """A scheme of gold above silver."""
    scheme = TierSchemeFactory(key="club")
    return [TierFactory(scheme=scheme, key=key, name=key.title()) for key in ("gold", "silver")]


def body(**changes):
    return {
        "key": "spring",
        "name": "Spring",
        "channel": "outbox",
        "audience": {"segment": None, "tier_scheme": "club"},
        "trigger": "now",
        "contents": [
            {"tier": "gold", "subject": "For you", "body": "<p>Hi {{ profile.name | default: 'friend' }}</p>"},
            {"tier": "*", "subject": "News", "body": "<p>Hi</p>\n"},
        ],
    } | changes


def test_a_campaign_is_made_with_a_content_per_tier(club):
    api = api_of("campaign_manager")

    response = api.send("post", "campaigns/", body())

    campaign = Campaign.objects.get(key="spring")
    assert response.status_code == 201
    assert response.json() == body() | {
        "state": "draft",
        "created_by": campaign.created_by.username,
        "created_at": campaign.created_at.isoformat().replace("+00:00", "Z"),
        "launched_at": None,
        "finished_at": None,
    }
    assert api.send("get", "campaigns/spring/").json() == response.json()
    assert api.send("patch", "campaigns/spring/", response.json()).json() == response.json()


def test_a_patch_replaces_the_contents_that_it_names_and_only_those(club):
    api = api_of("campaign_manager")
    api.send("post", "campaigns/", body())
    kept = Content.objects.get(tier__key="gold").pk

    named = api.send("patch", "campaigns/spring/", {"name": "May"}).json()
    silver = {"tier": "silver", "subject": "S", "body": "s"}
    changed = api.send("patch", "campaigns/spring/", {"contents": [body()["contents"][0], silver]}).json()

    assert (named["name"], named["contents"]) == ("May", body()["contents"])
    assert changed["contents"] == [body()["contents"][0], silver]
    assert Content.objects.get(tier__key="gold").pk == kept
    assert Content.objects.count() == 2


def test_a_new_audience_is_whole_and_leaves_no_content_of_another_scheme(club):
    SegmentFactory(key="loyal")
    api = api_of("campaign_manager")
    api.send("post", "campaigns/", body())

    refused = api.send("patch", "campaigns/spring/", {"audience": {"segment": "loyal"}})
    changed = api.send(
        "patch", "campaigns/spring/", {"audience": {"segment": "loyal"}, "contents": body()["contents"][1:]}
    )

    assert [error["path"] for error in refused.json()["errors"]] == ["contents"]
    assert changed.json()["audience"] == {"segment": "loyal", "tier_scheme": None}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"key": "preview"}, "key"),
        ({"channel": "pigeon"}, "channel"),
        ({"audience": {}}, "audience"),
        ({"audience": None}, "audience"),
        ({"audience": {"segment": "nobody"}}, "audience.segment"),
        ({"audience": {"segment": {}}}, "audience.segment"),
        ({"audience": {"tier_scheme": "club", "tag": "vip"}}, "audience.tag"),
        ({"trigger": "monthly"}, "trigger"),
        ({"contents": {}}, "contents"),
        ({"contents": [{"tier": "gold"}]}, "contents[0].subject"),
        ({"contents": [{"tier": "bronze", "subject": "S", "body": "b"}]}, "contents[0].tier"),
        ({"contents": [{"subject": "S", "body": "b"}] * 2}, "contents[1].tier"),
        ({"contents": [{"subject": "S", "body": "{{ profile.name"}]}, "contents[0].body"),
        ({"contents": [{"subject": "S", "body": "{{ profile.nmae | default: 'x' }}"}]}, "contents[0].body"),
        ({"contents": [{"subject": "S", "body": "b", "variant": "a"}]}, "contents[0].variant"),
        ({"contents": [7]}, "contents[0]"),
        ({"state": "finished"}, "state"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["post", "patch"])
def test_bad_input_says_where_and_changes_nothing(club, method, change, path):
    api = api_of("campaign_manager")
    before = CampaignFactory(key="autumn", segment=None, tier_scheme=club[0].scheme)
    ContentFactory(campaign=before)

    if method == "post":
        answer = api.send("post", "campaigns/", body(**change)).json()
    else:
        answer = api.send("patch", "campaigns/autumn/", change).json()

    assert answer["status"] == 400
    assert path in [error["path"] for error in answer["errors"]]
    assert Campaign.objects.get() == before
    assert Content.objects.get().subject == "News"


def test_a_launch_answers_with_the_run_and_again_with_the_same():
    membership = MembershipFactory()
    ContentFactory(campaign=CampaignFactory(key="spring", segment=membership.segment))
    api = api_of("campaign_manager")

    response = api.send("post", "campaigns/spring/launch/")
    again = api.send("post", "campaigns/spring/launch/")

    run = Run.objects.get()
    assert (response.status_code, again.status_code) == (202, 202)
    assert response["Location"] == f"/api/v1/runs/{run.pk}/"
    assert response.json()["id"] == again.json()["id"] == run.pk
    assert response.json()["state"] == "queued"
    assert run.user.username.startswith("token-")


def test_a_launch_tells_who_gets_nothing():
    segment = MembershipFactory().segment  # of somebody without an address
    MembershipFactory(segment=segment, profile=ReachableFactory(attributes={"name": "Ann"}))
    campaign = CampaignFactory(key="spring", segment=segment)
    ContentFactory(campaign=campaign, body="Dear {{ profile.name }}, {{ profile.city | default: 'hello' }}")

    answer = api_of("campaign_manager").send("post", "campaigns/spring/launch/")

    assert answer.status_code == 202
    assert answer.json()["remarks"] == [
        "1 person gets nothing: no address of this channel may be written to, or consent was denied.",
        "1 person gets nothing: the content for “everybody else” prints “name”, which is not known of them.",
    ]


def test_what_cannot_be_launched_says_why_and_stays_a_draft():
    CampaignFactory(key="spring")

    response = api_of("campaign_manager").send("post", "campaigns/spring/launch/")

    assert response.status_code == 409
    assert "content" in response.json()["detail"]
    assert Campaign.objects.get().is_draft
    assert not Run.objects.exists()


def test_once_launched_a_campaign_stays_as_it_is():
    CampaignFactory(key="spring", state="sending")
    api = api_of("campaign_manager")

    assert api.send("patch", "campaigns/spring/", {"name": "May"}).status_code == 409
    assert api.send("delete", "campaigns/spring/").status_code == 409
    assert Campaign.objects.get().name == "Spring"


def test_a_draft_is_deleted_with_its_contents():
    ContentFactory(campaign=CampaignFactory(key="spring"))

    assert api_of("campaign_manager").send("delete", "campaigns/spring/").status_code == 204
    assert not Content.objects.exists()


def test_statistics_count_the_ledger(club):
    campaign = CampaignFactory(key="spring", state="sending", segment=None, tier_scheme=club[0].scheme)
    ContentFactory(campaign=campaign)
    DeliveryFactory(campaign=campaign, tier=club[0], state="sent")
    DeliveryFactory(campaign=campaign, tier=club[1], state="suppressed", reason="no_consent")
    DeliveryFactory()

    assert api_of("viewer").send("get", "campaigns/spring/stats/").json() == {
        "n_deliveries": 2,
        "by_state": {
            "planned": 0, "claimed": 0, "sending": 0, "sent": 1, "failed": 0, "suppressed": 1, "unknown": 0,
        },
        "by_reason": {"no_consent": 1},
        "tiers": [
            {"key": "gold", "name": "Gold", "n_deliveries": 1, "by_state": {"sent": 1}},
            {"key": "silver", "name": "Silver", "n_deliveries": 1, "by_state": {"suppressed": 1}},
        ],
    }  # fmt: skip


def test_deliveries_name_the_person_as_now_known_and_mask_the_address(club):
    person = ProfileFactory()
    delivery = DeliveryFactory(
        campaign__key="spring", tier=club[0], state="failed", reason="refused", address="ann@example.com",
        detail="550 <ann@example.com> unknown", settled_at=SEEN_AT + timedelta(seconds=2),
    )  # fmt: skip
    DeliveryFactory(campaign=delivery.campaign)
    Profile.objects.filter(pk=delivery.profile_id).update(merged_into=person)
    shown = {
        "id": delivery.pk,
        "profile": str(person.public_id),
        "tier": "gold",
        "state": "failed",
        "reason": "refused",
        "detail": "550 <ann@example.com> unknown",
        "address": "ann@example.com",
        "planned_at": "2026-01-01T00:00:00Z",
        "settled_at": "2026-01-01T00:00:02Z",
    }

    seen = api_of("operator").send("get", "campaigns/spring/deliveries/?state=failed").json()["results"]
    masked = api_of("campaign_manager").send("get", "campaigns/spring/deliveries/?state=failed").json()["results"]

    assert seen == [shown]
    assert masked == [shown | {"detail": MASK, "address": MASK}]


def test_pages_of_deliveries_lose_nobody():
    campaign = CampaignFactory(key="spring")
    made = {DeliveryFactory(campaign=campaign).pk for _index in range(5)}
    api, seen, url = api_of("viewer"), [], "/api/v1/campaigns/spring/deliveries/?page_size=2"
    while url:
        page = api.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]

    assert len(seen) == 5
    assert set(seen) == made


@pytest.mark.parametrize("n", [1, 20])
def test_lists_take_a_fixed_number_of_queries(n, django_assert_num_queries):
    campaigns = [CampaignFactory() for _index in range(n)]
    scheme = TierSchemeFactory()
    for campaign in campaigns:
        ContentFactory(campaign=campaign)
        ContentFactory(campaign=campaign, tier=TierFactory(scheme=scheme))
        DeliveryFactory(campaign=campaigns[0])
    api = api_of("operator")

    with django_assert_num_queries(3 + 2):
        assert len(api.send("get", "campaigns/").json()["results"]) == n
    with django_assert_num_queries(3 + 2):
        assert len(api.send("get", f"campaigns/{campaigns[0].key}/deliveries/").json()["results"]) == n
    with django_assert_num_queries(3 + 3):
        assert api.send("get", f"campaigns/{campaigns[0].key}/stats/").json()["n_deliveries"] == n


def test_a_list_of_campaigns_is_filtered_by_state():
    CampaignFactory(state="finished")
    draft = CampaignFactory()
    assert Delivery.objects.count() == 0

    found = api_of("viewer").send("get", "campaigns/?state=draft").json()["results"]

    assert [row["key"] for row in found] == [draft.key]
