"""Two calls at once: a PATCH saves the fields that it names, and sets back none that another has saved meanwhile."""

import json
from datetime import timedelta
from functools import partial

import pytest
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.utils import timezone

from campaigns.models import Campaign, Content
from campaigns.services.launch import launch_campaign
from cdp.models import Webhook
from profiles.models import AttributeDefinition, EventDefinition, IdentifierKind, ImportMapping, Source
from profiles.refresh.saving import lock_rules
from profiles.services.definitions import save_source
from profiles.services.sources import delete_source, replace_write_key
from segments.models import Segment, TierScheme
from tags.models import Tag
from tests.clients import api_of
from tests.elsewhere import Elsewhere
from tests.factories.campaigns import CampaignFactory, ContentFactory
from tests.factories.imports import ImportMappingFactory
from tests.factories.profiles import AttributeDefinitionFactory, EventDefinitionFactory, SourceFactory
from tests.factories.segments import SegmentFactory, TierSchemeFactory, lives_in
from tests.factories.tags import TagFactory
from tests.factories.webhooks import WebhookFactory

FILLED_BY_RULES = {Segment, Tag, TierScheme}
at_once = pytest.mark.django_db(transaction=True, serialized_rollback=True)


class Race:
    """A PATCH that has read its thing and waits, while another transaction that has changed the thing is open."""

    def __init__(self):
        self.api = api_of("admin")

    def run(self, act, path, body):
        answers = []
        with transaction.atomic():
            act()
            patch = Elsewhere(lambda: answers.append(self.api.send("patch", path, body)))
            assert patch.come_as_far_as_it_can(), "it waits for nobody"
        patch.finish()
        return answers[0]


@at_once
def test_a_patch_sets_back_nothing_that_was_saved_while_it_waited():
    source, kind = SourceFactory(key="shop", name="Shop"), IdentifierKind.objects.get(key="email")
    mapping = ImportMappingFactory(key="till", name="Till")
    size = AttributeDefinitionFactory(key="size", label="", type="text", is_pii=True, is_discovered=True)
    booked = EventDefinitionFactory(name="Booked", label="", is_discovered=True)
    campaign, webhook = CampaignFactory(key="spring", name="Spring"), WebhookFactory(key="bi", hears=["segments"])
    loyal, vip = SegmentFactory(key="loyal", rule=lives_in("Oslo")), TagFactory(key="vip")
    ranks = TierSchemeFactory(key="ranks", tiers={"gold": lives_in("Oslo"), "basic": None})
    races = [
        (source, "sources/shop/", {"name": "Mine"}, {"is_enabled": False, "unplanned_events": "reject", "rank": 7}),
        (kind, "identifier-kinds/email/", {"label": "Mine"}, {"blocked_values": ["a@b.cc"], "priority": 45}),
        (size, "attributes/size/", {"label": "Mine"}, {"is_pii": False, "type": "number", "is_discovered": False}),
        (booked, "events/Booked/", {"label": "Mine"}, {"schema": {"required": ["total"]}, "is_discovered": False}),
        (mapping, "import-mappings/till/", {"name": "Mine"}, {"folder": "till", "is_watching": True}),
        (campaign, "campaigns/spring/", {"name": "Mine"}, {"tier_scheme_id": ranks.pk, "segment_id": None}),
        (webhook, "webhooks/bi/", {"name": "Mine"}, {"url": "https://b.example.com/", "batch_size": 7}),
        (loyal, "segments/loyal/", {"name": "Mine"}, {"description": "Ours", "alert_percent": 7}),
        (vip, "tags/vip/", {"name": "Mine"}, {"description": "Ours", "expires_after_days": 7}),
        (ranks, "tier-schemes/ranks/", {"name": "Mine"}, {"description": "Ours"}),
    ]
    race = Race()
    for thing, path, body, by_other in races:
        rows = type(thing).objects.filter(pk=thing.pk)
        before = rows.values().get()

        def save(rows=rows, by_other=by_other):
            if rows.model in FILLED_BY_RULES:
                lock_rules()
            rows.update(**by_other)

        answer = race.run(save, path, body)

        assert answer.status_code == 200, answer.content
        after = rows.values().get()
        assert after.pop("next_at", None) != before.pop("next_at", None) or rows.model is not Webhook
        assert after == {**before, **body, **by_other}
        (entry,) = json.loads(LogEntry.objects.latest("pk").change_message)
        assert list(entry["values"]) == list(body)
    assert {type(thing) for thing, *_rest in races} == {
        Source, IdentifierKind, AttributeDefinition, EventDefinition, ImportMapping, Campaign, Webhook, Segment, Tag,
        TierScheme,
    }  # fmt: skip


@at_once
def test_a_replaced_write_key_stays_replaced():
    source = SourceFactory(key="shop")
    leaked = source.write_key

    Race().run(
        lambda: replace_write_key(source, grace=timedelta(0), now=timezone.now()), "sources/shop/", {"name": "Mine"}
    )

    source.refresh_from_db()
    assert source.name == "Mine"
    assert source.write_key != leaked


@at_once
def test_a_campaign_that_was_launched_meanwhile_stays_as_it_was():
    campaign = CampaignFactory(key="spring", name="Spring")
    ContentFactory(campaign=campaign)

    def launch():
        launch_campaign(campaign, user=None, now=timezone.now())

    answer = Race().run(launch, "campaigns/spring/", {"name": "Mine"})

    assert answer.status_code == 409
    assert Campaign.objects.values_list("name", "state").get() == ("Spring", "planning")


@at_once
@pytest.mark.parametrize("first", ["contents", "audience"])
def test_contents_and_another_scheme_that_two_people_save_at_once_do_not_come_together(first):
    old, new = TierSchemeFactory(tiers={"gold": lives_in("Oslo")}), TierSchemeFactory(tiers={"top": lives_in("Oslo")})
    campaign = CampaignFactory(key="spring", segment=None, tier_scheme=old)
    contents = [{"tier": "gold", "subject": "Hi", "body": "Gold"}]

    if first == "contents":
        write = partial(ContentFactory, campaign=campaign, tier=old.tiers.get())
        body = {"audience": {"tier_scheme": new.key}}
    else:
        write, body = partial(Campaign.objects.update, tier_scheme=new), {"contents": contents}
    answer = Race().run(lambda: (Campaign.objects.select_for_update().get(), write()), "campaigns/spring/", body)

    assert answer.status_code == 400
    assert [error["path"] for error in answer.json()["errors"]] == ["contents"]
    assert (Campaign.objects.get().tier_scheme, Content.objects.count()) == (
        (old, 1) if first == "contents" else (new, 0)
    )


@at_once
def test_what_refers_to_a_thing_is_written_while_it_is_edited():
    source = SourceFactory(key="shop", name="Shop")

    with transaction.atomic():
        save_source(Source.objects.get(pk=source.pk), user=None, changed=["name"])
        insert = Elsewhere(lambda: ImportMappingFactory(key="till", source=source))
        assert not insert.come_as_far_as_it_can(), "it waits for the edit"

    insert.finish()
    assert ImportMapping.objects.get(key="till").source == source


@at_once
def test_type_and_survivorship_that_do_not_fit_each_other_are_refused_whoever_said_which():
    size = AttributeDefinitionFactory(key="size", type="number", survivorship="latest")
    rows = AttributeDefinition.objects.filter(pk=size.pk)

    answer = Race().run(lambda: rows.update(type="text"), "attributes/size/", {"survivorship": "max"})

    assert answer.status_code == 400
    assert [error["path"] for error in answer.json()["errors"]] == ["survivorship"]
    assert rows.values_list("type", "survivorship").get() == ("text", "latest")


@at_once
def test_what_was_deleted_meanwhile_is_not_made_again():
    source = SourceFactory(key="shop", name="Shop")

    answer = Race().run(lambda: delete_source(source), "sources/shop/", {"name": "Mine"})

    assert answer.status_code == 400
    assert "“Mine” was deleted meanwhile" in answer.content.decode()
    assert not Source.objects.filter(key="shop").exists()


@pytest.mark.django_db
def test_a_service_that_is_told_no_fields_saves_all_of_them():
    source = SourceFactory(name="Shop")
    Source.objects.update(name="Till")

    assert save_source(source, user=None) is None

    assert Source.objects.get(pk=source.pk).name == "Shop"
