from typing import Any

import pytest

from cdp.models import Run
from segments.models import Tier, TierChange, TierScheme
from tests.clients import api_of
from tests.factories.profiles import SEEN_AT, ProfileFactory
from tests.factories.segments import TierFactory, TierSchemeFactory, TierStandingFactory

IN_OSLO = {"op": "attribute", "key": "city", "is": "eq", "value": "Oslo"}
CLUB: dict[str, Any] = {
    "key": "club",
    "name": "Club",
    "description": "",
    "tiers": [
        {"key": "gold", "name": "Gold", "entry": IN_OSLO, "benefits": "Free tea"},
        {"key": "basic", "name": "Basic", "entry": None, "benefits": ""},
    ],
}
pytestmark = pytest.mark.django_db


def test_a_scheme_is_made_with_its_tiers_from_the_highest():
    response = api_of("operator").send("post", "tier-schemes/", CLUB)

    scheme, run = TierScheme.objects.get(), Run.objects.get()
    assert response.status_code == 201
    assert response.json() == CLUB | {
        "version": 1,
        "refreshed_at": None,
        "refresh_error": "",
        "created_at": scheme.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert [(tier.key, tier.position) for tier in scheme.tiers.order_by("position")] == [("gold", 0), ("basic", 1)]
    assert (run.kind, run.subject) == ("refresh", "tier:club")
    assert api_of("viewer").send("get", "tier-schemes/club/").json() == response.json()


def test_what_is_wrong_with_tiers_is_said_at_its_place():
    tiers = [{"key": "gold", "name": "Gold"}, {"key": "silver", "name": "Silver"}, {"key": "basic", "name": "Basic"}]
    api = api_of("operator")

    def paths(given):
        answer = api.send("post", "tier-schemes/", CLUB | {"tiers": given})
        return answer.status_code, [error["path"] for error in answer.json()["errors"]]

    assert paths(tiers) == (400, ["tiers[0].entry", "tiers[1].entry"])
    assert paths([CLUB["tiers"][0], *CLUB["tiers"]]) == (400, ["tiers[1].key"])
    assert paths([]) == (400, ["tiers"])


def test_tiers_change_places_and_keep_who_they_are():
    api = api_of("operator")
    api.send("post", "tier-schemes/", CLUB)
    ids = dict(Tier.objects.values_list("key", "pk"))
    silver = {"key": "silver", "name": "Silver", "entry": IN_OSLO, "benefits": ""}

    body = api.send("patch", "tier-schemes/club/", {"tiers": [silver, *CLUB["tiers"]], "version": 1}).json()

    assert [tier["key"] for tier in body["tiers"]] == ["silver", "gold", "basic"]
    assert body["version"] == 2
    assert ids.items() <= dict(Tier.objects.values_list("key", "pk")).items()
    assert api.send("patch", "tier-schemes/club/", {"name": "X", "version": 1}).status_code == 409
    assert api.send("patch", "tier-schemes/club/", body).json() == body


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"key": "merge"}, "key"),
        ({"tiers": None}, "tiers"),
        ({"tiers": []}, "tiers"),
        ({"tiers": [CLUB["tiers"][1], CLUB["tiers"][0]]}, "tiers[0].entry"),
        ({"tiers": [CLUB["tiers"][0], CLUB["tiers"][0]]}, "tiers[1].key"),
        ({"tiers": [{"key": "gold"}]}, "tiers[0].name"),
        ({"tiers": [CLUB["tiers"][0] | {"grace_days": 3}]}, "tiers[0].grace_days"),
        ({"tiers": [CLUB["tiers"][1] | {"key": "no spaces"}]}, "tiers[0].key"),
        ({"tiers": [CLUB["tiers"][0] | {"entry": {"any": [{"op": "wish"}]}}]}, "tiers[0].entry.any[0].op"),
    ],
)
def test_bad_input_says_where_and_makes_nothing(body, path):
    answer = api_of("operator").send("post", "tier-schemes/", CLUB | body).json()

    assert answer["status"] == 400
    assert path in [error["path"] for error in answer["errors"]]
    assert not TierScheme.objects.exists()
    assert not Run.objects.exists()


def test_standings_and_moves_name_tiers_by_key():
    gold = TierFactory(scheme__key="club", key="gold")
    standing = TierStandingFactory(tier=gold)
    TierStandingFactory(tier=TierFactory(scheme=gold.scheme, key="basic"))
    came = TierChange.objects.create(
        scheme=gold.scheme, profile=standing.profile, before=None, after="gold", cause="data", at=SEEN_AT
    )
    TierChange.objects.create(
        scheme=TierSchemeFactory(key="other"),
        profile=ProfileFactory(),
        before=None,
        after=None,
        cause="data",
        at=SEEN_AT,
    )
    api = api_of("viewer")

    assert api.send("get", "tier-schemes/club/standings/?tier=gold").json()["results"] == [
        {"profile": str(standing.profile.public_id), "tier": "gold", "entered_at": "2026-01-01T00:00:00Z"}
    ]
    assert api.send("get", "tier-schemes/club/changes/").json() == {
        "results": [
            {
                "id": came.pk,
                "profile": str(standing.profile.public_id),
                "before": None,
                "after": "gold",
                "cause": "data",
                "at": "2026-01-01T00:00:00Z",
            }
        ],
        "next_after": came.pk,
    }
    of_all = api.send("get", "tier-schemes/changes/").json()["results"]
    assert [change["scheme"] for change in of_all] == ["club", "other"]


@pytest.mark.parametrize("n", [1, 20])
def test_lists_take_a_fixed_number_of_queries(n, django_assert_num_queries):
    club = TierFactory(scheme__key="club").scheme
    for index in range(n):
        standing = TierStandingFactory(tier=TierFactory(scheme=club))
        TierChange.objects.create(
            scheme=club, profile=standing.profile, before=None, after=standing.tier.key, cause="data", at=SEEN_AT
        )
        if index:
            TierFactory()
    api = api_of("operator")

    with django_assert_num_queries(3 + 2):
        assert len(api.send("get", "tier-schemes/").json()["results"]) == n
    with django_assert_num_queries(3 + 2):
        assert len(api.send("get", "tier-schemes/club/standings/").json()["results"]) == n
    with django_assert_num_queries(3 + 4):
        assert len(api.send("get", "tier-schemes/club/changes/").json()["results"]) == n
