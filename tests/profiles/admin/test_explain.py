"""The page that answers why somebody is in, or is not."""

from datetime import UTC, datetime

import pytest
from django.urls import reverse

from profiles.masking import MASK
from tests.factories.profiles import ProfileFactory
from tests.factories.segments import (
    MembershipChangeFactory,
    MembershipFactory,
    SegmentFactory,
    StaticSegmentFactory,
    TierChangeFactory,
    TierSchemeFactory,
    TierStandingFactory,
    lives_in,
)
from tests.factories.tags import TagAssignmentFactory, TagFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
AT = datetime(2026, 1, 1, tzinfo=UTC)
IS_ANN = {"op": "attribute", "key": "name", "is": "eq", "value": "Ann"}


@pytest.fixture
def ann():
    return ProfileFactory(attributes={"name": "Ann", "city": "Oslo"})


def page(person, role="operator", language="en", **query):
    address = reverse("admin:profiles_profile_explain", args=[person.pk])
    return sign_in(role, language=language).get(address, query, follow=True)


def shown(person, **query):
    answer = page(person, **query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_tree_is_told_with_what_was_found(ann):
    segment = SegmentFactory(rule={"all": [lives_in("Oslo"), {"not": lives_in("Rome")}]}, refreshed_at=AT)
    MembershipFactory(segment=segment, profile=ann)
    MembershipChangeFactory(segment=segment, profile=ann, cause="rule")

    text = shown(ann, segment=segment.key)

    for words in ("All of these hold", "City is “Oslo”", "This does not hold", "City is Oslo", "As the rule says."):
        assert words in text
    assert text.count("check_circle") == 3
    assert text.count("cancel</span>") == 1


def test_who_may_not_see_personal_data_finds_none(ann):
    segment = SegmentFactory(rule=IS_ANN, refreshed_at=AT)

    text = shown(ann, role="viewer", segment=segment.key)

    assert "Ann" not in text
    assert f"Name is {MASK}" in text
    assert "waits" not in text


def test_of_tiers_the_chosen_one_is_marked_and_moves_are_told(ann):
    scheme = TierSchemeFactory(tiers={"gold": IS_ANN, "silver": lives_in("Oslo"), "basic": None}, refreshed_at=AT)
    TierStandingFactory(tier=scheme.tiers.get(key="silver"), profile=ann)
    TierChangeFactory(tier=scheme.tiers.get(key="silver"), before="gone", profile=ann)

    text = shown(ann, tier_scheme=scheme.key)

    assert text.count("st-chosen") == 1
    assert text.count("matches, but one above comes first") == 2
    assert "gone → Silver" in text
    assert "They should agree." in text


def test_in_chinese(ann):
    segment = SegmentFactory(rule={"any": [lives_in("Rome"), lives_in("Oslo")]}, refreshed_at=AT)

    text = shown(ann, language="zh-hans", segment=segment.key)

    for words in ("以下至少一个成立", "城市为“Rome”", "城市：Oslo", "为什么？"):
        assert words in text


def test_what_hands_fill_says_so(ann):
    segment = StaticSegmentFactory()

    assert "no rule decides who is in" in shown(ann, segment=segment.key)


def test_without_a_question_it_offers_what_may_be_asked(ann):
    SegmentFactory(key="loyal", name="Loyal")
    TagFactory(key="vip", name="VIP")

    text = shown(ann)

    assert '<option value="segment:loyal">Loyal</option>' in text
    assert '<option value="tag:vip">VIP</option>' in text
    assert '<option value="segment:loyal" selected>' in shown(ann, about="segment:loyal")


def test_what_is_not_there_is_404_and_a_merged_away_person_leads_to_the_survivor(ann):
    segment = SegmentFactory()
    absorbed = ProfileFactory(merged_into=ann)

    assert page(ann, segment="none-such").status_code == 404
    assert page(ann, about="score:rfm").status_code == 404
    assert page(absorbed, segment=segment.key).redirect_chain == [
        (f"{reverse('admin:profiles_profile_explain', args=[ann.pk])}?segment={segment.key}", 302)
    ]


def test_the_person_and_the_members_lead_there(ann):
    segment, tag, scheme = SegmentFactory(), TagFactory(), TierSchemeFactory(tiers={"gold": None})
    MembershipFactory(segment=segment, profile=ann)
    TagAssignmentFactory(tag=tag, profile=ann)
    TierStandingFactory(tier=scheme.tiers.get(), profile=ann)
    client = sign_in("viewer")
    why = reverse("admin:profiles_profile_explain", args=[ann.pk])

    person = client.get(reverse("admin:profiles_profile_change", args=[ann.pk])).content.decode()
    members = client.get(reverse("admin:segments_segment_members", args=[segment.pk])).content.decode()

    for asked in (f"segment={segment.key}", f"tag={tag.key}", f"tier_scheme={scheme.key}"):
        assert f'href="{why}?{asked}"' in person
    assert f'href="{why}?segment={segment.key}"' in members
