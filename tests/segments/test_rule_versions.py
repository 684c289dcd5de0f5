"""The history of rules of segments, tags and tier schemes, and going back in it."""

from importlib import import_module

import pytest
from django.db import connection

from cdp.models import RuleVersion, Run
from cdp.roles import OPERATOR, VIEWER
from profiles.masking import MASK
from profiles.refresh.saving import StillUsed
from segments.models import Segment, Tier, TierScheme
from segments.services import (
    delete_segment,
    restore_segment_rule,
    restore_tier_rules,
    save_segment,
    save_tier_scheme,
)
from tags.models import Tag, TagValue
from tags.services import restore_tag_rules, save_tag
from tests.clients import api_of
from tests.factories.cdp import UserFactory
from tests.factories.segments import SegmentFactory, StaticSegmentFactory, TierSchemeFactory, lives_in
from tests.factories.tags import TagFactory, TagValueFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
IS_ANN = {"op": "attribute", "key": "email", "is": "eq", "value": "ann@example.com"}


def versions(holder):
    rows = RuleVersion.objects.filter(holder=holder).order_by("version")
    return [(row.version, [(part["key"], part["rule"]) for part in row.rules]) for row in rows]


def edited_segment(first=lives_in("Oslo")):  # noqa: B008 - never changed
    segment = Segment(key="loyal", name="Loyal", rule=first)
    save_segment(segment)
    segment.rule = lives_in("Rome")
    save_segment(segment)
    return segment


def test_each_saved_rule_is_a_version_with_its_author():
    user = UserFactory()
    segment = Segment(key="loyal", name="Loyal", rule=lives_in("Oslo"))
    save_segment(segment, user=user)
    segment.name = "Faithful"
    save_segment(segment)
    segment.rule = lives_in("Rome")
    save_segment(segment)

    assert versions("segment:loyal") == [(1, [("", lives_in("Oslo"))]), (2, [("", lives_in("Rome"))])]
    assert [row.user for row in RuleVersion.objects.order_by("version")] == [user, None]


def test_a_restored_rule_is_a_new_version_and_refreshed():
    segment = edited_segment()
    Run.objects.all().delete()

    run = restore_segment_rule(segment, 1, user=None)
    again = restore_segment_rule(segment, 1, user=None)

    stored = Segment.objects.get()
    assert (stored.rule, stored.rule_version) == (lives_in("Oslo"), 3)
    assert (run.subject, again) == ("segment:loyal", None)
    assert versions("segment:loyal")[2] == (3, [("", lives_in("Oslo"))])


def test_history_goes_with_its_holder():
    delete_segment(edited_segment())

    save_segment(Segment(key="loyal", name="Loyal", rule=lives_in("Bergen")))

    assert versions("segment:loyal") == [(1, [("", lives_in("Bergen"))])]


def test_tiers_come_back_in_their_order_with_their_rules():
    scheme = TierScheme(key="club", name="Club")
    gold = Tier(key="gold", name="Gold", entry=lives_in("Oslo"))
    base = Tier(key="base", name="Base", entry=None)
    save_tier_scheme(scheme, tiers=[gold, base])
    silver = Tier(key="silver", name="Silver", entry=lives_in("Rome"))
    base.name = "Basic"
    save_tier_scheme(scheme, tiers=[silver, base])

    restore_tier_rules(scheme, 1, user=None)

    tiers = [(tier.key, tier.name, tier.entry) for tier in scheme.tiers.order_by("position")]
    assert tiers == [("gold", "Gold", lives_in("Oslo")), ("base", "Basic", None)]
    assert [version for version, _parts in versions("tier:club")] == [1, 2, 3]


def test_values_of_a_tag_come_back_unless_somebody_speaks_of_those_that_would_go():
    tag = Tag(key="card", name="Card", kind="rule")
    save_tag(tag, values=[TagValue(key="gold", name="Gold", rule=lives_in("Oslo"))])
    save_tag(tag, values=[TagValue(key="red", name="Red", rule=lives_in("Rome"))])
    user = SegmentFactory(name="Reds", rule={"op": "tag", "key": "card", "value": ["red"]})

    with pytest.raises(StillUsed, match="Reds"):
        restore_tag_rules(tag, 1, user=None)
    user.delete()
    restore_tag_rules(tag, 1, user=None)

    assert [(value.key, value.rule) for value in tag.values.all()] == [("gold", lives_in("Oslo"))]


def test_the_api_lists_versions_masked_and_restores_one():
    edited_segment(IS_ANN)

    seen = api_of("viewer").send("get", "segments/loyal/versions/").json()["results"]
    restored = api_of("operator").send("post", "segments/loyal/restore-rules/", {"version": 1})
    unknown = api_of("operator").send("post", "segments/loyal/restore-rules/", {"version": 9})

    assert [each["version"] for each in seen] == [2, 1]
    assert seen[1]["rules"][0]["rule"]["value"] == MASK
    assert (restored.json()["rule"], restored.json()["version"]) == (IS_ANN, 3)
    assert (unknown.status_code, unknown.json()["errors"][0]["path"]) == (400, "version")


def test_the_page_reads_each_version_and_restores_one():
    segment = edited_segment(IS_ANN)
    address = f"/admin/segments/segment/{segment.pk}/versions/"

    read = sign_in(VIEWER).get(address).content.decode()
    page = sign_in(OPERATOR).get(address).content.decode()
    refused = sign_in(VIEWER).post(address, {"version": "1"})
    answer = sign_in(OPERATOR).post(address, {"version": "1"}, follow=True).content.decode()

    assert "ann@example.com" not in read
    assert "ann@example.com" in page
    assert "Rome" in page
    assert refused.status_code == 403
    assert "Restored version 1." in answer
    assert Segment.objects.get().rule == IS_ANN


def test_what_no_longer_parses_is_not_restored():
    inner = SegmentFactory(key="inner")
    segment = edited_segment({"op": "segment", "key": "inner"})
    delete_segment(inner)

    address = f"/admin/segments/segment/{segment.pk}/versions/"
    answer = sign_in(OPERATOR).post(address, {"version": "1"}, follow=True).content.decode()

    assert "there is no segment" in answer
    assert Segment.objects.get().rule == lives_in("Rome")


def test_rules_from_before_there_was_a_history_are_its_first_versions():
    SegmentFactory(key="loyal", rule_version=3)
    StaticSegmentFactory(key="static")
    TagFactory(key="one", kind="rule", rule=lives_in("Rome"))
    tag = TagFactory(key="card", kind="rule", rule=None)
    TagValueFactory(tag=tag, key="gold", rule=lives_in("Oslo"))
    TierSchemeFactory(key="club", tiers={"gold": lives_in("Oslo"), "base": None})

    with connection.cursor() as cursor:
        cursor.execute(import_module("segments.migrations.0008_first_rule_versions").FIRST)

    assert versions("segment:loyal") == [(3, [("", lives_in("Oslo"))])]
    assert versions("tag:one") == [(1, [("", lives_in("Rome"))])]
    assert versions("tag:card") == [(1, [("gold", lives_in("Oslo"))])]
    assert versions("tier:club") == [(1, [("gold", lives_in("Oslo")), ("base", None)])]
    assert RuleVersion.objects.count() == 4
