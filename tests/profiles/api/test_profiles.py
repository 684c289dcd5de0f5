from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from profiles.masking import MASK
from profiles.models import Profile
from segments.models import Membership, Segment, Tier, TierScheme, TierStanding
from tags.models import Score, Tag, TagAssignment, TagValue
from tests.clients import api_of
from tests.factories.profiles import ConsentFactory, EventFactory, IdentifierFactory, ProfileFactory, SourceFactory

AT = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
RULE = {"op": "identifier", "kind": "email"}
pytestmark = pytest.mark.django_db


def make_ann():
    """Somebody with one of everything, and an expired tag."""
    ann = ProfileFactory(attributes={"name": "Ann", "city": "Oslo"})
    IdentifierFactory(profile=ann, kind_key="anonymous_id", value="a-1")
    IdentifierFactory(profile=ann, kind_key="email", value="ann@example.com")
    vip, _made = Tag.objects.get_or_create(key="vip", defaults={"name": "VIP"})
    card, _made = Tag.objects.get_or_create(key="card", defaults={"name": "Card"})
    old, _made = Tag.objects.get_or_create(key="old", defaults={"name": "Old"})
    gold, _made = TagValue.objects.get_or_create(tag=card, key="gold", defaults={"name": "Gold"})
    TagAssignment.objects.create(tag=vip, profile=ann, assigned_at=AT, expires_at=timezone.now() + timedelta(hours=1))
    TagAssignment.objects.create(tag=card, value=gold, profile=ann, assigned_at=AT)
    TagAssignment.objects.create(tag=old, profile=ann, assigned_at=AT, expires_at=AT)
    loyal, _made = Segment.objects.get_or_create(key="loyal", defaults={"name": "Loyal", "rule": RULE})
    Membership.objects.create(segment=loyal, profile=ann, entered_at=AT)
    club, _made = TierScheme.objects.get_or_create(key="club", defaults={"name": "Club"})
    silver, _made = Tier.objects.get_or_create(scheme=club, key="silver", defaults={"name": "Silver", "position": 0})
    TierStanding.objects.create(scheme=club, tier=silver, profile=ann, entered_at=AT)
    Score.objects.create(profile=ann, model="rfm", values={"class": "111"}, scored_at=AT)
    ConsentFactory(profile=ann, state="granted", occurred_at=AT)
    ConsentFactory(profile=ann, state="denied", occurred_at=AT + timedelta(days=1))
    ConsentFactory(profile=ann, channel="sms", occurred_at=AT)
    return ann


def shown(ann):
    return {
        "id": str(ann.public_id),
        "attributes": {"name": "Ann", "city": "Oslo"},
        "identifiers": [{"kind": "email", "value": "ann@example.com"}, {"kind": "anonymous_id", "value": "a-1"}],
        "tags": [{"key": "card", "value": "gold"}, {"key": "vip", "value": None}],
        "segments": ["loyal"],
        "tiers": {"club": "silver"},
        "scores": {"rfm": {"class": "111"}},
        "consents": {"email": "denied", "sms": "granted"},
    }


def masked(ann):
    return shown(ann) | {
        "attributes": {"name": MASK, "city": "Oslo"},
        "identifiers": [{"kind": "email", "value": MASK}, {"kind": "anonymous_id", "value": "a-1"}],
    }


EMPTY: dict[str, Any] = {
    "attributes": {}, "identifiers": [], "tags": [], "segments": [], "tiers": {}, "scores": {}, "consents": {},
}  # fmt: skip


def test_a_profile_shows_all_that_is_known():
    ann = make_ann()

    body = api_of("operator").send("get", f"profiles/{ann.public_id}/").json()

    assert body == shown(ann)


def test_who_may_not_see_personal_data_gets_it_masked():
    ann = make_ann()

    assert api_of("viewer").send("get", f"profiles/{ann.public_id}/").json() == masked(ann)


def test_somebody_of_whom_nothing_is_known_has_every_key():
    nobody = ProfileFactory()

    assert api_of("viewer").send("get", f"profiles/{nobody.public_id}/").json() == {"id": str(nobody.public_id)} | EMPTY


def test_a_merged_away_id_answers_with_the_survivor():
    ann = ProfileFactory()
    before = ProfileFactory(merged_into=ann)
    event = EventFactory(profile=ann)
    api = api_of("viewer")

    assert api.send("get", f"profiles/{before.public_id}/").json()["id"] == str(ann.public_id)
    assert api.send("get", f"profiles/{before.public_id}/events/").json()["results"][0]["id"] == event.pk
    assert [row["id"] for row in api.send("get", "profiles/").json()["results"]] == [str(ann.public_id)]


@pytest.mark.parametrize(
    "path", [f"profiles/{UUID(int=1)}/", f"profiles/{UUID(int=1)}/events/", "profiles/1/", "profiles/x/"]
)
def test_an_unknown_profile_is_not_found(path):
    assert api_of("viewer").send("get", path).status_code == 404


@pytest.mark.parametrize("n", [1, 20])
def test_a_list_of_profiles_is_one_query_a_section(n, django_assert_num_queries):
    for _index in range(n):
        IdentifierFactory(profile=ProfileFactory())
    api = api_of("operator")

    with django_assert_num_queries(3 + 1 + 6):
        assert len(api.send("get", "profiles/").json()["results"]) == n


@pytest.mark.parametrize("given", ["email:Ann@Example.com", "email: ann@example.com ", "anonymous_id:a-1"])
def test_an_identifier_finds_its_person_however_it_is_written(given):
    ann = ProfileFactory()
    IdentifierFactory(profile=ann, kind_key="email", value="ann@example.com")
    IdentifierFactory(profile=ann, kind_key="anonymous_id", value="a-1")
    IdentifierFactory()

    found = api_of("operator").send("get", "profiles/", {"identifier": given}).json()["results"]

    assert [row["id"] for row in found] == [str(ann.public_id)]


def test_an_identifier_that_is_nobodys_finds_nobody():
    IdentifierFactory()

    for given in ("email:nobody@example.com", "email:not an address", "user_id:null"):
        assert api_of("operator").send("get", "profiles/", {"identifier": given}).json()["results"] == []


@pytest.mark.parametrize("given", ["ann@example.com", "mail:ann@example.com", "email:", ":x", "email:\x00"])
def test_a_bad_identifier_is_named(given):
    body = api_of("operator").send("get", "profiles/", {"identifier": given}).json()

    assert body["status"] == 400
    assert [error["path"] for error in body["errors"]] == ["identifier"]


def test_who_may_not_see_identifiers_cannot_test_them_either():
    IdentifierFactory(value="ann@example.com")

    for given in ("email:ann@example.com", "email:nobody@example.com", "never_heard_of:x"):
        answer = api_of("viewer").send("get", "profiles/", {"identifier": given})

        assert answer.status_code == 403
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["detail"] == "This needs the permission profiles.view_pii."


def test_events_come_latest_first_with_their_properties_masked():
    ann = ProfileFactory()
    shop = SourceFactory(key="shop")
    first = EventFactory(profile=ann, source=shop, definition__name="Order Completed", occurred_at=AT,
                         properties={"total": 12.5, "shipping": {"phone": "138", "city": "Oslo"}})  # fmt: skip
    last = EventFactory(profile=ann, source=shop, definition__name="$identify", occurred_at=AT + timedelta(seconds=1),
                        properties={"firstName": "Ann", "age": 30})  # fmt: skip
    EventFactory()

    results = api_of("viewer").send("get", f"profiles/{ann.public_id}/events/").json()["results"]

    assert results == [
        {
            "id": last.pk,
            "name": "$identify",
            "occurred_at": "2026-11-01T08:30:01Z",
            "source": "shop",
            "properties": {"firstName": MASK, "age": 30},
        },
        {
            "id": first.pk,
            "name": "Order Completed",
            "occurred_at": "2026-11-01T08:30:00Z",
            "source": "shop",
            "properties": {"total": 12.5, "shipping": {"phone": MASK, "city": "Oslo"}},
        },
    ]


def test_events_of_one_moment_are_paged_without_loss():
    ann = ProfileFactory()
    made = [EventFactory(profile=ann, occurred_at=AT).pk for _index in range(5)]
    api = api_of("viewer")

    seen, url = [], f"/api/v1/profiles/{ann.public_id}/events/?page_size=2"
    while url:
        body = api.get(url).json()
        seen += [row["id"] for row in body["results"]]
        url = body["next"]

    assert seen == made[::-1]


def test_events_are_filtered_by_name():
    ann = ProfileFactory()
    EventFactory(profile=ann, definition__name="Order Completed")
    viewed = EventFactory(profile=ann, definition__name="Product Viewed")
    api = api_of("viewer")

    found = api.send("get", f"profiles/{ann.public_id}/events/", {"name": "Product Viewed"}).json()["results"]

    assert [row["id"] for row in found] == [viewed.pk]
    assert api.send("get", f"profiles/{ann.public_id}/events/", {"name": "Never"}).json()["results"] == []


@pytest.mark.parametrize("n", [1, 20])
def test_a_list_of_events_is_one_query(n, django_assert_num_queries):
    ann = ProfileFactory()
    for _index in range(n):
        EventFactory(profile=ann)
    api = api_of("operator")

    with django_assert_num_queries(3 + 2):
        assert len(api.send("get", f"profiles/{ann.public_id}/events/").json()["results"]) == n


def test_a_lookup_answers_in_the_order_asked():
    ann = make_ann()
    asked = [
        {"kind": "phone", "value": "138 0013 8000"},
        {"kind": "email", "value": "ANN@example.com"},
        {"kind": "anonymous_id", "value": "a-1"},
        {"kind": "email", "value": "ANN@example.com"},
    ]

    body = api_of("integration").send("post", "profiles/lookup/", {"identifiers": asked}).json()

    profiles = [None, shown(ann), shown(ann), shown(ann)]
    assert body == {
        "results": [{"identifier": name, "profile": found} for name, found in zip(asked, profiles, strict=True)]
    }


def test_a_lookup_of_a_thousand_takes_as_many_queries_as_one(django_assert_num_queries):
    IdentifierFactory(kind_key="user_id", value="u1")
    api = api_of("integration")

    for n in (1, 1000):
        asked = [{"kind": "user_id", "value": f"u{index + 1}"} for index in range(n)]
        with django_assert_num_queries(3 + 3 + 1 + 6):
            assert len(api.send("post", "profiles/lookup/", {"identifiers": asked}).json()["results"]) == n


def test_a_lookup_needs_the_right_to_see_personal_data():
    asked = {"identifiers": [{"kind": "user_id", "value": "u1"}]}

    assert api_of("viewer").send("post", "profiles/lookup/", asked).status_code == 403
    assert api_of("operator").send("post", "profiles/lookup/", asked).status_code == 200


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "identifiers"),
        ({"identifiers": []}, "identifiers"),
        ({"identifiers": "email:x"}, "identifiers"),
        ({"identifiers": [{"kind": "email"}]}, "identifiers[0].value"),
        ({"identifiers": [{"kind": "user_id", "value": "u"}, {"kind": "user_id", "value": 1.5, "x": 1}]},
         "identifiers[1].x"),
        ({"identifiers": [{"kind": "mail", "value": "x"}]}, "identifiers[0].kind"),
        ({"identifiers": [{"kind": "user_id", "value": "u"}] * 1001}, "identifiers"),
        ({"identifiers": [{"kind": "user_id", "value": "u"}], "region": "CN"}, "region"),
        ([], ""),
    ],
)  # fmt: skip
def test_a_bad_lookup_says_where(body, path):
    answer = api_of("integration").send("post", "profiles/lookup/", body).json()

    assert answer["status"] == 400
    assert [error["path"] for error in answer["errors"]] == [path]
    assert not Profile.objects.exists()
