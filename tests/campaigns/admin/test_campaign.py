"""Campaigns in the admin: drafts, the launch, and what is read afterwards."""

import pytest
from django.db import transaction
from django.utils import timezone

from campaigns.models import Campaign
from campaigns.services.edit import delete_campaign
from campaigns.services.launch import launch_campaign
from cdp.models import Run
from cdp.roles import CAMPAIGN_MANAGER, OPERATOR, VIEWER
from tests.admin_world import make_world
from tests.clients import api_of
from tests.elsewhere import Elsewhere
from tests.factories.campaigns import CampaignFactory, ContentFactory
from tests.factories.segments import MembershipFactory, SegmentFactory, TierSchemeFactory, TierStandingFactory, lives_in
from tests.pages import filled_in
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
at_once = pytest.mark.django_db(transaction=True, serialized_rollback=True)
ADD = "/admin/campaigns/campaign/add/"


def form(*contents, **fields):
    rows = {f"contents-{index}-{field}": text for index, row in enumerate(contents) for field, text in row.items()}
    counts = {"contents-TOTAL_FORMS": len(contents), "contents-INITIAL_FORMS": 0}
    plain = {"name": "Spring", "key": "spring", "channel": "outbox", "segment": "", "tier_scheme": ""}
    return {**plain, **fields, **counts, **rows}


def test_a_draft_is_made_with_a_content_for_each_tier():
    scheme = TierSchemeFactory(tiers={"gold": lives_in("Oslo"), "basic": None})
    gold = scheme.tiers.get(key="gold")
    contents = [
        {"tier": gold.pk, "subject": "Gold", "body": "<p>G</p>"},
        {"tier": "", "subject": "All", "body": "<p>A</p>"},
    ]

    sign_in(CAMPAIGN_MANAGER).post(ADD, form(*contents, tier_scheme=scheme.pk))

    campaign = Campaign.objects.get()
    assert campaign.created_by is not None
    assert set(campaign.contents.values_list("tier__key", "subject")) == {("gold", "Gold"), (None, "All")}


def test_a_campaign_needs_an_audience():
    answer = sign_in(CAMPAIGN_MANAGER).post(ADD, form())

    assert answer.context["adminform"].form.errors == {"segment": ["Choose a segment, a tier scheme, or both."]}


def test_a_content_for_a_tier_of_another_scheme_is_refused():
    other = TierSchemeFactory(tiers={"gold": None}).tiers.get()
    content = {"tier": other.pk, "subject": "Gold", "body": "<p>G</p>"}

    answer = sign_in(CAMPAIGN_MANAGER).post(ADD, form(content, segment=SegmentFactory().pk))

    assert "This tier is not one of the campaign" in answer.content.decode()
    assert not Campaign.objects.exists()


def test_a_content_that_names_what_does_not_exist_is_refused_at_its_field():
    content = {"tier": "", "subject": "For {{ profile.nmae }}", "body": "{{ tags.nope }} {{ tier.name }}"}

    page = sign_in(CAMPAIGN_MANAGER).post(ADD, form(content, segment=SegmentFactory().pk))

    (errors,) = page.context["inline_admin_formsets"][0].formset.errors
    assert errors == {
        "subject": ["Line 1, character 8: “profile.nmae” does not exist; did you mean “profile.name”?"],
        "body": [
            "Line 1, character 4: “tags.nope” does not exist",
            "Line 1, character 20: “tier.name”: the campaign has no tier scheme",
        ],
    }
    assert not Campaign.objects.exists()


def test_before_the_launch_stands_the_number_of_people_per_tier():
    scheme = TierSchemeFactory(tiers={"gold": lives_in("Oslo"), "basic": None})
    gold, basic = scheme.tiers.order_by("position")
    segment = SegmentFactory()
    for tier in (gold, basic, basic):
        MembershipFactory(segment=segment, profile=TierStandingFactory(tier=tier).profile)
    MembershipFactory(segment=segment)
    campaign = CampaignFactory(segment=segment, tier_scheme=scheme)
    ContentFactory(campaign=campaign, tier=gold, subject="Gold news")

    check = sign_in(CAMPAIGN_MANAGER).get(f"/admin/campaigns/campaign/{campaign.pk}/launch/").context["check"]

    assert check.n_recipients == 4
    assert [(tier.name, tier.n_recipients, tier.subject) for tier in check.tiers] == [
        ("Gold", 1, "Gold news"),
        ("Basic", 2, ""),
        ("", 1, ""),
    ]


def test_a_launch_is_asked_for_and_then_planned():
    content = ContentFactory()
    client, address = sign_in(CAMPAIGN_MANAGER), f"/admin/campaigns/campaign/{content.campaign_id}/launch/"

    client.get(address)
    asked = Campaign.objects.get().state
    client.post(address)

    assert asked == Campaign.State.DRAFT
    assert Campaign.objects.get().state == Campaign.State.PLANNING
    assert Run.objects.get().subject == content.campaign.key


def test_what_forbids_a_launch_is_said_and_nothing_starts():
    campaign = CampaignFactory()
    client, address = sign_in(CAMPAIGN_MANAGER), f"/admin/campaigns/campaign/{campaign.pk}/launch/"

    page = client.get(address).content.decode()
    answer = client.post(address, follow=True)

    assert "The campaign has no content yet" in page
    assert "Launch now" not in page
    assert "The campaign has no content yet" in answer.content.decode()
    assert Campaign.objects.get().state == Campaign.State.DRAFT


@pytest.mark.parametrize("role", [VIEWER, OPERATOR])
def test_others_do_not_launch(role):
    content = ContentFactory()

    answer = sign_in(role).post(f"/admin/campaigns/campaign/{content.campaign_id}/launch/")

    assert answer.status_code == 403
    assert Campaign.objects.get().state == Campaign.State.DRAFT


def test_what_an_editor_left_alone_stays_as_another_has_saved_it():
    campaign = CampaignFactory(name="Spring")
    scheme = TierSchemeFactory(tiers={"gold": None})
    client, page = sign_in(CAMPAIGN_MANAGER), f"/admin/campaigns/campaign/{campaign.pk}/change/"
    shown = filled_in(client.get(page))
    Campaign.objects.update(segment=None, tier_scheme=scheme)

    answer = client.post(page, {**shown, "name": "Mine"})

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    campaign.refresh_from_db()
    assert (campaign.name, campaign.segment, campaign.tier_scheme) == ("Mine", None, scheme)


@at_once
@pytest.mark.parametrize(("address", "given"), [("change", {"name": "Mine"}), ("delete", {"post": "yes"})])
def test_who_edits_what_is_launched_meanwhile_is_told_and_changes_nothing(address, given):
    campaign = CampaignFactory(name="Spring")
    ContentFactory(campaign=campaign)
    client, page = sign_in(CAMPAIGN_MANAGER), f"/admin/campaigns/campaign/{campaign.pk}/{{}}/"
    shown = filled_in(client.get(page.format("change"))) if address == "change" else {}
    answers = []
    with transaction.atomic():
        launch_campaign(campaign, user=None, now=timezone.now())
        post = Elsewhere(lambda: answers.append(client.post(page.format(address), {**shown, **given}, follow=True)))
        assert post.come_as_far_as_it_can(), "it waits for nobody"
    post.finish()

    assert f"The campaign “{campaign.key}” was launched and stays as it is." in answers[0].content.decode()
    assert Campaign.objects.values_list("name", "state").get() == ("Spring", "planning")


@at_once
@pytest.mark.parametrize("way", ["page", "api"])
def test_who_deletes_what_is_deleted_meanwhile_is_told(way):
    campaign = CampaignFactory(name="Spring")
    client, api, answers = sign_in(CAMPAIGN_MANAGER), api_of(CAMPAIGN_MANAGER), []

    def delete():
        if way == "page":
            answers.append(
                client.post(f"/admin/campaigns/campaign/{campaign.pk}/delete/", {"post": "yes"}, follow=True)
            )
        else:
            answers.append(api.send("delete", f"campaigns/{campaign.key}/"))

    with transaction.atomic():
        delete_campaign(Campaign.objects.get())
        other = Elsewhere(delete)
        assert other.come_as_far_as_it_can(), "it waits for nobody"
    other.finish()

    (answer,) = answers
    assert answer.status_code == (200 if way == "page" else 400)
    assert "was deleted meanwhile" in answer.content.decode()
    assert not Campaign.objects.exists()


def test_a_launched_campaign_is_only_read():
    campaign = CampaignFactory(state=Campaign.State.SENDING)

    answer = sign_in(CAMPAIGN_MANAGER).post(f"/admin/campaigns/campaign/{campaign.pk}/change/", form(name="Other"))

    assert answer.status_code == 403
    assert Campaign.objects.get().name == campaign.name


def test_a_message_is_shown_where_nothing_of_it_can_run():
    world = make_world()

    page = sign_in(OPERATOR).get(f"/admin/campaigns/delivery/outbox/{world.sent.key}/{world.delivery.pk}/")

    text = page.content.decode()
    assert 'sandbox=""' in text
    assert "default-src &#x27;none&#x27;" in text
    assert "&lt;p&gt;Dear Zyxwv Qmarker&lt;/p&gt;" in text


@pytest.mark.parametrize("address", ["..%2f..%2fetc/", "no-such-campaign/", "no-such-campaign/1/"])
def test_what_is_not_in_the_outbox_is_not_found(address):
    assert sign_in(OPERATOR).get(f"/admin/campaigns/delivery/outbox/{address}").status_code in (302, 404)
