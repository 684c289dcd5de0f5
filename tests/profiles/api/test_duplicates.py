"""`duplicates/`."""

import pytest

from cdp.models import Run
from profiles.models import DuplicateSuggestion, Profile, ProfileMerge
from profiles.services.duplicates import engine
from tests.clients import api_of
from tests.factories.profiles import DuplicateSuggestionFactory, IdentifierFactory, ProfileFactory

pytestmark = pytest.mark.django_db


def state_of(suggestion):
    return DuplicateSuggestion.objects.get(pk=suggestion.pk).state


def test_the_most_probable_come_first_with_their_evidence():
    less = DuplicateSuggestionFactory(probability=0.91)
    more = DuplicateSuggestionFactory(probability=0.99)

    results = api_of("viewer").send("get", "duplicates/").json()["results"]

    assert results[0] == {
        "id": more.pk,
        "profiles": [str(more.left.public_id), str(more.right.public_id)],
        "probability": 0.99,
        "evidence": [{"field": "name", "level": "same", "weight": 10.0}],
        "state": "open",
        "suggested_at": "2026-01-01T00:00:00Z",
        "decided_at": None,
        "decided_by": None,
    }
    assert [each["id"] for each in results] == [more.pk, less.pk]


def test_pages_of_equals_miss_nobody():
    for _ in range(5):
        DuplicateSuggestionFactory(probability=0.1 + 0.2)
    api, path, seen = api_of("viewer"), "duplicates/?page_size=2", []

    while path:
        page = api.send("get", path).json()
        seen += [each["id"] for each in page["results"]]
        path = page["next"] and page["next"].partition("/api/v1/")[2]

    assert seen == list(DuplicateSuggestion.objects.order_by("-pk").values_list("pk", flat=True))


def test_a_merged_away_profile_is_shown_as_its_survivor():
    suggestion, third = DuplicateSuggestionFactory(), ProfileFactory()
    Profile.objects.filter(pk=suggestion.left_id).update(merged_into=third)

    answer = api_of("viewer").send("get", f"duplicates/{suggestion.pk}/").json()

    assert answer["profiles"] == [str(third.public_id), str(suggestion.right.public_id)]


def test_filters():
    DuplicateSuggestionFactory(state="rejected", probability=0.99)
    DuplicateSuggestionFactory(probability=0.9)
    found = DuplicateSuggestionFactory(probability=0.97)

    results = api_of("viewer").send("get", "duplicates/?state=open&min_probability=0.95").json()["results"]

    assert [each["id"] for each in results] == [found.pk]


def test_the_list_takes_a_fixed_number_of_queries(django_assert_num_queries):
    api = api_of("viewer")
    for n in range(20):
        if n in (1, 19):
            with django_assert_num_queries(4):
                api.send("get", "duplicates/")
        DuplicateSuggestionFactory()


def test_accept_merges():
    suggestion = DuplicateSuggestionFactory()

    answer = api_of("operator").send("post", f"duplicates/{suggestion.pk}/accept/")

    merge = ProfileMerge.objects.get()
    assert (answer.status_code, answer.json()) == (200, {"survivor": str(merge.survivor.public_id)})
    assert (state_of(suggestion), merge.cause) == ("accepted", "duplicate")


def test_a_limit_is_a_conflict_and_changes_nothing():
    suggestion = DuplicateSuggestionFactory()
    for profile in (suggestion.left, suggestion.right):
        IdentifierFactory(profile=profile, kind_key="user_id")

    answer = api_of("operator").send("post", f"duplicates/{suggestion.pk}/accept/")

    assert answer.status_code == 409
    assert "User id" in answer.json()["detail"]
    assert state_of(suggestion) == "open"


def test_a_rejection_of_who_merged_with_one_is_a_conflict():
    one, other, third = (ProfileFactory() for _ in range(3))
    rejected = DuplicateSuggestionFactory(left=one, right=third, state="rejected")
    suggestion = DuplicateSuggestionFactory(left=other, right=third)
    Profile.objects.filter(pk=other.pk).update(merged_into=one)

    answer = api_of("operator").send("post", f"duplicates/{suggestion.pk}/accept/")

    assert answer.status_code == 409
    assert answer.json()["detail"] == (
        f"Possible duplicate #{rejected.pk} of these people was rejected; if they are one after all, open it again."
    )
    assert state_of(suggestion) == "open"


@pytest.mark.parametrize(("state", "decision"), [("open", "accept"), ("rejected", "reopen")])
def test_one_of_whom_one_was_erased_is_a_conflict(now, state, decision):
    suggestion = DuplicateSuggestionFactory(state=state)
    Profile.objects.filter(pk=suggestion.right_id).update(erased_at=now)

    answer = api_of("operator").send("post", f"duplicates/{suggestion.pk}/{decision}/")

    assert answer.status_code == 409
    assert answer.json()["detail"] == "One of these profiles was erased; nobody is left to merge."


def test_reject_and_reopen():
    suggestion, api = DuplicateSuggestionFactory(), api_of("operator")

    rejected = api.send("post", f"duplicates/{suggestion.pk}/reject/").json()
    again = api.send("post", f"duplicates/{suggestion.pk}/reject/")
    reopened = api.send("post", f"duplicates/{suggestion.pk}/reopen/").json()

    assert (rejected["state"], again.status_code, reopened["state"]) == ("rejected", 409, "open")
    assert rejected["decided_by"].startswith("token")


@pytest.mark.parametrize("action", ["accept", "reject", "reopen"])
def test_nobodys_id_is_not_found(action):
    suggestion = DuplicateSuggestionFactory()

    assert api_of("operator").send("post", f"duplicates/{suggestion.pk + 1}/{action}/").status_code == 404
    assert state_of(suggestion) == "open"


def test_search_answers_with_its_run(monkeypatch):
    monkeypatch.setattr(engine, "find_spec", lambda name: name)
    api = api_of("operator")

    answers = [api.send("post", "duplicates/search/") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202]
    run = Run.objects.get()
    assert [answer.json()["id"] for answer in answers] == [run.pk] * 2
    assert answers[0].headers["Location"] == f"/api/v1/runs/{run.pk}/"


def test_search_without_the_extra_says_what_to_install(monkeypatch):
    monkeypatch.setattr(engine, "find_spec", lambda name: None)

    answer = api_of("operator").send("post", "duplicates/search/")

    assert (answer.status_code, Run.objects.count()) == (409, 0)
    assert "requirements/duplicates.txt" in answer.json()["detail"]
