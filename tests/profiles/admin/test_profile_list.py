"""The list of profiles: what it finds, shows and costs."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cdp.roles import OPERATOR, VIEWER
from profiles.models import LastSight, Profile, ProfileMerge
from tests.factories.profiles import SEEN_AT, IdentifierFactory, ProfileFactory, SourceFactory
from tests.factories.segments import MembershipFactory, TierSchemeFactory, TierStandingFactory
from tests.factories.tags import TagAssignmentFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
LIST = "/admin/profiles/profile/"


def listed(role=OPERATOR, **query):
    return [profile.pk for profile in sign_in(role).get(LIST, query).context["cl"].result_list]


@pytest.mark.parametrize(
    ("kind_key", "value", "typed"),
    [
        ("email", "ann@example.com", "  Ann@Example.com "),
        ("phone", "+8613800138000", "138 0013 8000"),
        ("member_card", "AB123", "ab-123"),
        ("user_id", "u7", "user_id:u7"),
    ],
)
def test_search_finds_any_identifier_as_people_write_it(kind_key, value, typed):
    ann = IdentifierFactory(kind_key=kind_key, value=value).profile
    ProfileFactory()

    assert listed(q=typed) == [ann.pk]


@pytest.mark.parametrize("page", [LIST, "/admin/profiles/profilemerge/"])
def test_those_who_see_no_personal_data_find_nobody_by_an_identifier_and_are_told_why(page):
    survivor = IdentifierFactory(kind_key="email", value="ann@example.com").profile
    ProfileMerge.objects.create(
        survivor=survivor, absorbed=ProfileFactory(merged_into=survivor), cause=ProfileMerge.Cause.MESSAGE,
        source=SourceFactory(), merged_at=timezone.now(), identifiers=[], absorbed_before={}, survivor_before={},
    )  # fmt: skip

    refused = sign_in(VIEWER).get(page, {"q": "ann@example.com"})
    found = sign_in(VIEWER).get(page, {"q": str(survivor.public_id)})

    assert list(refused.context["cl"].result_list) == []
    assert "those who may see personal data" in refused.content.decode()
    assert len(found.context["cl"].result_list) == 1


def test_search_finds_public_ids_and_leads_from_merged_ones_to_the_survivor():
    survivor = ProfileFactory()
    absorbed = ProfileFactory(merged_into=survivor)

    assert listed(q=str(survivor.public_id)) == [survivor.pk]
    assert listed(q=str(absorbed.public_id)) == [survivor.pk]


def test_search_finds_the_beginning_of_the_name_in_any_case():
    ann, zhang = (ProfileFactory(attributes={"name": name}) for name in ("Ann Lee", "张三"))
    ProfileFactory(attributes={"name": "Joann"})

    assert listed(q="ann") == [ann.pk]
    assert listed(q="张") == [zhang.pk]


@pytest.mark.parametrize("typed", ["%", "' OR 1=1", "user_id:", ":", "a" * 5000])
def test_strange_searches_find_nobody(typed):
    ProfileFactory(attributes={"name": "Ann"})

    assert listed(q=typed) == []


def test_merged_away_profiles_are_not_listed():
    survivor = ProfileFactory()
    ProfileFactory(merged_into=survivor)

    assert listed() == [survivor.pk]


def test_filters():
    ProfileFactory()
    member, tagged, gold = MembershipFactory(), TagAssignmentFactory(), None
    scheme = TierSchemeFactory(tiers={"gold": None})
    gold = TierStandingFactory(tier=scheme.tiers.get())

    assert listed(segment=member.segment_id) == [member.profile_id]
    assert listed(tag=tagged.tag_id) == [tagged.profile_id]
    assert listed(tier=gold.tier_id) == [gold.profile_id]


def test_a_tag_that_has_expired_is_no_longer_found():
    assignment = TagAssignmentFactory(expires_at=timezone.now() - timedelta(seconds=1))

    assert listed(tag=assignment.tag_id) == []


def test_last_seen():
    now = timezone.now()
    today = ProfileFactory(first_seen_at=now - timedelta(hours=2))
    long_ago = ProfileFactory(first_seen_at=now - timedelta(days=400))

    assert listed(seen="7") == [today.pk]
    assert listed(seen="over365") == [long_ago.pk]


def test_kinds_of_identifiers():
    ann, _bob = IdentifierFactory(kind_key="email").profile, IdentifierFactory(kind_key="phone").profile

    assert listed(kind="email") == [ann.pk]


@pytest.mark.parametrize(
    "query", [{"kind": "x"}, {"segment": "x"}, {"tag": "9" * 40}, {"seen": "never"}, {"tier": "-1"}]
)
def test_filters_that_make_no_sense_do_no_harm(query):
    assert sign_in(OPERATOR).get(LIST, query).status_code in (200, 302)


def test_tiers_and_tags_have_a_column_each():
    profile = ProfileFactory()
    scheme = TierSchemeFactory(tiers={"gold": None})
    TierStandingFactory(tier=scheme.tiers.get(), profile=profile)
    TagAssignmentFactory(profile=profile, tag__name="Very important")

    text = sign_in(OPERATOR).get(LIST).content.decode()

    assert '<span class="st-chip">Gold</span>' in text
    assert '<span class="st-chip">Very important</span>' in text


def test_queries_do_not_grow_with_the_list():
    client = sign_in(VIEWER)
    client.get(LIST)
    TagAssignmentFactory(profile=IdentifierFactory().profile)
    with CaptureQueriesContext(connection) as few:
        client.get(LIST)
    for _ in range(5):
        TagAssignmentFactory(profile=IdentifierFactory(kind_key="anonymous_id").profile)

    with CaptureQueriesContext(connection) as many:
        client.get(LIST)

    assert len(many) == len(few)


def test_the_first_page_comes_in_the_order_of_the_index_of_last_sights():
    people = Profile.objects.bulk_create(Profile(first_seen_at=SEEN_AT) for _ in range(5_000))
    LastSight.objects.bulk_create(
        LastSight(profile=person, at=SEEN_AT + timedelta(hours=n * 7919 % 5_000)) for n, person in enumerate(people)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE profiles_profile, profiles_lastsight")

    page = Profile.objects.current().seen().order_by("-last_sight__at", "-id")[:100]

    plan = page.explain()
    assert "using last_sight_at" in plan
    assert "Sort" not in plan
    assert [person.last_seen_at for person in page] == [SEEN_AT + timedelta(hours=4_999 - n) for n in range(100)]
