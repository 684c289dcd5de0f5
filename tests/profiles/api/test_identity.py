"""Merging people over HTTP, and what was merged."""

from uuid import uuid4

import pytest

from cdp.roles import OPERATOR, VIEWER
from profiles.models import Profile, ProfileMerge
from tests.clients import api_of
from tests.factories.profiles import IdentifierFactory, ProfileFactory, ProfileMergeFactory, SourceFactory
from tests.profiles.ingest.messages import identify, profile_of, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann():
    """Seen first, by her mail."""
    send(SourceFactory(key="shop"), identify(email="ann@example.com", at=0, city="Oslo"))
    return profile_of("email", "ann@example.com")


@pytest.fixture
def visitor(ann):
    send(SourceFactory(key="till"), identify(anonymous="a1", at=5, city="Rome"))
    return profile_of("anonymous_id", "a1")


def merge(*profiles, api=None, **headers):
    ids = [str(getattr(profile, "public_id", profile)) for profile in profiles]
    return (api or api_of(OPERATOR)).send("post", "profiles/merge/", {"profiles": ids}, **headers)


def test_two_become_the_one_who_was_seen_first(ann, visitor):
    answer = merge(visitor, ann)

    assert answer.status_code == 200
    assert answer.json()["id"] == str(ann.public_id)
    assert answer.json()["attributes"]["city"] == "Rome"
    assert answer.json()["identifiers"] == [
        {"kind": "email", "value": "ann@example.com"},
        {"kind": "anonymous_id", "value": "a1"},
    ]


def test_a_merge_sent_twice_is_one(ann, visitor):
    api = api_of(OPERATOR)

    answers = [merge(ann, visitor, api=api, Idempotency_Key="k1") for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert ProfileMerge.objects.count() == 1


def test_who_is_one_already_is_409(ann, visitor):
    merge(ann, visitor)

    answer = merge(ann, visitor)

    assert (answer.status_code, answer.json()["detail"]) == (409, "These profiles are one person already.")


@pytest.mark.parametrize(("role", "named"), [(OPERATOR, "u1, u2")])
def test_a_limit_that_forbids_it_is_named(role, named):
    one, other = IdentifierFactory(value="u1").profile, IdentifierFactory(value="u2").profile

    answer = merge(one, other, api=api_of(role))

    assert answer.status_code == 409
    assert answer.json()["type"].endswith("/problems/kept-apart")
    assert answer.json()["detail"] == f"One person may have 1 User id, and these would have 2: {named}."
    assert not ProfileMerge.objects.exists()


def test_an_id_that_nobody_has_is_named_by_its_place(ann):
    answer = merge(ann, uuid4())

    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"path": "profiles[1]", "message": "no profile has this id"}]


@pytest.mark.parametrize("body", [{}, {"profiles": []}, {"profiles": ["x", "y"]}, {"profiles": None}, []])
def test_a_body_that_names_no_two_is_refused(body):
    assert api_of(OPERATOR).send("post", "profiles/merge/", body).status_code == 400


def test_the_merges_of_a_person_say_who_and_when(ann, visitor):
    merge(ann, visitor)

    (found,) = api_of(VIEWER).send("get", f"profiles/{visitor.public_id}/merges/").json()["results"]

    assert (found["survivor"], found["absorbed"], found["cause"]) == (
        str(ann.public_id), str(visitor.public_id), "manual"
    )  # fmt: skip
    assert found["by"].startswith("token-")
    assert (found["source"], found["undone_at"]) == (None, None)


def test_merges_take_the_same_queries_for_many(django_assert_num_queries):
    profile, api = ProfileFactory(), api_of(OPERATOR)
    for n_rows in (1, 20):
        ProfileMergeFactory.create_batch(n_rows, survivor=profile)
        with django_assert_num_queries(5):
            api.send("get", f"profiles/{profile.public_id}/merges/")


def test_a_merged_away_id_answers_everywhere_with_the_survivor(ann, visitor):
    merge(ann, visitor)
    api, gone = api_of(OPERATOR), visitor.public_id

    shown = api.send("get", f"profiles/{gone}/").json()["id"]
    events = api.send("get", f"profiles/{gone}/events/").json()["results"]

    assert shown == str(ann.public_id)
    assert len(events) == 2
    assert Profile.objects.get(pk=visitor.pk).merged_into == ann
