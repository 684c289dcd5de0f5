"""What refers to tags, segments and tier schemes, and what that forbids."""

import pytest
from django.utils.translation import override

from campaigns.models import Campaign
from cdp.dependents import binding_on, dependents_of, mentions
from cdp.models import Run, Subscription
from cdp.webhooks.manage import disable_webhook
from profiles.refresh.saving import StillUsed
from segments.models import Segment, Tier
from segments.services import archive_segment, delete_segment, save_tier_scheme
from tags.models import Tag
from tags.services import delete_tag, move_tag, save_tag
from tests.clients import api_of
from tests.factories.campaigns import CampaignFactory, ContentFactory
from tests.factories.cdp import UserFactory
from tests.factories.imports import ImportFactory, ImportMappingFactory
from tests.factories.profiles import SEEN_AT
from tests.factories.segments import SegmentFactory, TierSchemeFactory
from tests.factories.tags import TagFactory, TagValueFactory
from tests.factories.webhooks import WebhookFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
CARD, GOLD = {"op": "tag", "key": "card"}, {"op": "tag", "key": "card", "value": ["gold", "iron"]}


def make_card():
    card = TagFactory(key="card", name="Card")
    for key in ("gold", "silver"):
        TagValueFactory(tag=card, key=key, name=key.title())
    return card


def found(key):
    return [(str(each.label), each.name, each.parts, each.is_binding) for each in dependents_of(key)]


def test_conditions_are_found_however_deep_they_stand():
    rule = {"any": [{"not": {"all": [GOLD, {"op": "tag", "key": "vip"}]}}, CARD]}

    assert list(mentions(rule, "tag:card")) == [("gold", "iron"), ()]
    assert list(mentions(rule, "tag:gold")) == []
    assert list(mentions(rule, "segment:card")) == []
    assert list(mentions(None, "tag:card")) == []


def test_whatever_refers_to_a_tag_is_found(django_assert_num_queries):
    make_card()
    SegmentFactory(name="Best", rule={"all": [GOLD, CARD]})
    SegmentFactory(name="Frozen", rule=CARD, kind=Segment.Kind.SNAPSHOT)
    TagFactory(name="Climate", kind="rule", rule=CARD, lifecycle=Tag.Lifecycle.DRAFT)
    TierSchemeFactory(name="Club", tiers={"top": GOLD, "rest": None})
    ContentFactory(campaign=CampaignFactory(name="Spring"), body="{% if tags.card == 'gold' %}Hello{% endif %}")
    ContentFactory(campaign=CampaignFactory(name="Other"), body="{{ tags.card-2 }} card")
    sent = CampaignFactory(name="Sent", state=Campaign.State.FINISHED)
    ContentFactory(campaign=sent, body="{{ tags['card'] }}")
    mapping = {"tags": [{"tag": "card", "value": "gold"}, {"tag": "vip", "value": "a"}]}
    ImportMappingFactory(name="Till", mapping=mapping)
    run = Run.objects.create(kind="import", subject="import:1", state=Run.State.RUNNING)
    imported = ImportFactory(mapping={"tags": [{"tag": "card", "value": {"column": "Card"}}]}, run=run)
    ImportFactory(mapping=mapping, ended_at=SEEN_AT)

    with django_assert_num_queries(10):
        dependents = found("tag:card")

    assert dependents == [
        ("campaign", "Spring", (), True),
        ("import", f"#{imported.pk}", (), True),
        ("saved mapping", "Till", ("gold",), True),
        ("segment", "Best", ("gold", "iron"), True),
        ("tag", "Climate", (), True),
        ("tier scheme", "Club", ("gold", "iron"), True),
        ("segment", "Frozen", (), False),
    ]
    assert {each.name for each in binding_on("tag:card", ["silver"])} == set()


def test_audiences_are_found():
    segment = SegmentFactory(key="loyal", name="Loyal")
    scheme = TierSchemeFactory(key="club", tiers={"gold": CARD, "basic": None})
    campaign = CampaignFactory(name="Spring", segment=segment, tier_scheme=scheme)
    ContentFactory(campaign=campaign, tier=Tier.objects.get(key="gold"))
    SegmentFactory(name="Golden", rule={"op": "tier", "scheme": "club", "in": ["gold"]})

    assert found("segment:loyal") == [("campaign", "Spring", (), True)]
    assert found("tier:club") == [("campaign", "Spring", ("gold",), True), ("segment", "Golden", ("gold",), True)]


def test_what_is_used_neither_goes_nor_is_archived():
    card, segment = make_card(), SegmentFactory(key="loyal", name="Loyal")
    ImportMappingFactory(name="Till", mapping={"tags": [{"tag": "card"}], "segments": [{"segment": "loyal"}]})
    user = UserFactory()

    for refused in (
        lambda: delete_tag(card),
        lambda: move_tag(card, Tag.Lifecycle.ARCHIVED, user=user),
        lambda: delete_segment(segment),
        lambda: archive_segment(segment, user=user, now=SEEN_AT),
    ):
        with pytest.raises(StillUsed, match="is still used by: Till"):
            refused()
    assert Tag.objects.active().filter(pk=card.pk).exists()
    assert Segment.objects.current().filter(pk=segment.pk).exists()


def test_a_value_that_is_named_does_not_go_and_another_does():
    card = make_card()
    SegmentFactory(name="Best", rule=GOLD)
    gold, silver = card.values.order_by("position")

    with pytest.raises(StillUsed, match="“Gold” is still used by: Best"):
        save_tag(card, values=[silver])
    save_tag(card, values=[gold])

    assert [value.key for value in card.values.all()] == ["gold"]


def test_a_tier_that_is_named_does_not_go():
    scheme = TierSchemeFactory(key="club", tiers={"gold": CARD, "basic": None})
    SegmentFactory(name="Golden", rule={"op": "tier", "scheme": "club", "in": ["gold"]})
    make_card()

    with pytest.raises(StillUsed, match="Golden"):
        save_tier_scheme(scheme, tiers=[Tier.objects.get(key="basic")])
    assert scheme.tiers.count() == 2


def test_what_a_webhook_hears_by_name_stays():
    card = make_card()
    best = SegmentFactory(key="best")
    by_name = WebhookFactory(name="Shop")
    for feed, key in (("segments", "best"), ("tags", "card")):
        Subscription.objects.create(webhook=by_name, feed=feed, subjects=[key])
    WebhookFactory(name="All", hears=["segments", "tags"])

    with pytest.raises(StillUsed, match=r"is still used by: Shop \(a webhook\)\."):
        delete_segment(best)
    disable_webhook(by_name, user=UserFactory(), now=SEEN_AT)
    with pytest.raises(StillUsed, match=r"is still used by: Shop \(a webhook that is switched off\)\."):
        delete_tag(card)
    by_name.subscriptions.all().delete()
    delete_segment(best)

    assert found("tag:card") == found("tier:card") == []
    assert not Segment.objects.exists()


def test_kinds_are_words_for_programs_in_every_language():
    TagFactory(key="card")
    TierSchemeFactory(key="club", name="Club", tiers={"top": CARD, "rest": None})

    with override("zh-hans"):
        (scheme,) = dependents_of("tag:card")

        assert (scheme.kind, str(scheme.label)) == ("tier_scheme", "等级体系")


def test_pages_and_api_tell_of_them():
    card = make_card()
    best = SegmentFactory(key="best", name="Best", rule=GOLD)
    TierSchemeFactory(key="club")

    page = sign_in("viewer").get(f"/admin/tags/tag/{card.pk}/dependents/").content.decode()
    api = api_of("viewer")

    assert f"/admin/segments/segment/{best.pk}/change/" in page
    assert "Gold" in page
    assert api.send("get", "tags/card/dependents/").json() == [
        {"kind": "segment", "key": "best", "name": "Best", "parts": ["gold", "iron"], "is_binding": True, "note": ""}
    ]
    assert api.send("get", "segments/best/dependents/").json() == []
    assert api.send("get", "tier-schemes/club/dependents/").json() == []
    assert api.send("get", "tags/none/dependents/").status_code == 404
