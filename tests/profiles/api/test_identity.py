"""Merging people over HTTP, and what was merged."""

import json
from uuid import uuid4

import pytest
from django.utils import timezone

from cdp.roles import INTEGRATION, OPERATOR, VIEWER
from profiles.models import ProfileMerge, ProfileSplit
from tags.models import TagAssignment
from tags.services.assign import assign_tag
from tests.cdp.api.world import operations
from tests.clients import api_of
from tests.factories.profiles import IdentifierFactory, ProfileFactory, ProfileMergeFactory, SourceFactory
from tests.factories.tags import TagFactory
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
        with django_assert_num_queries(6):
            api.send("get", f"profiles/{profile.public_id}/merges/")


def test_a_merged_away_id_means_the_survivor_everywhere(ann, visitor):
    merge(ann, visitor)
    api, gone = api_of(OPERATOR), visitor.public_id
    paths = [
        path.replace("{id}", str(gone))
        for method, path in operations()
        if method == "get" and path.startswith("profiles/{id}/") and not path.endswith("explain/")
    ]  # to explain wants to be told what; its own tests ask of somebody who was merged away
    now = [path.replace(str(gone), str(ann.public_id)) for path in paths]
    tag = TagFactory()

    answers = [api.send("get", path) for path in paths]
    expected = [api.send("get", path) for path in now]
    tagged = api.send("post", f"tags/{tag.key}/assignments/", {"profiles": [str(gone)]}).json()

    assert len(paths) >= 5
    assert [answer.status_code for answer in answers] == [200] * len(paths)
    assert [as_said_of(ann, visitor, answer) for answer in answers] == [answer.json() for answer in expected]
    assert (tagged["assigned"], tagged["unknown"]) == (1, [])
    assert split(visitor, ("anonymous_id", "a1")).json()["from"] == str(ann.public_id)


def as_said_of(ann, visitor, answer):
    """The answer with links to the page of the survivor."""
    return json.loads(answer.content.decode().replace(f"profiles/{visitor.public_id}/", f"profiles/{ann.public_id}/"))


def split(profile, *named, api=None, **headers):
    body = {"identifiers": [{"kind": kind, "value": value} for kind, value in named]}
    return (api or api_of(OPERATOR)).send("post", f"profiles/{profile.public_id}/split/", body, **headers)


def test_identifiers_are_split_off_however_they_are_written():
    send(SourceFactory(), identify(user="u1", phone="13800138000", at=0))
    profile = profile_of("user_id", "u1")

    answer = split(profile, ("phone", "138 0013 8000"))

    other = profile_of("phone", "+8613800138000")
    assert answer.status_code == 200
    assert answer.json() == {"from": str(profile.public_id), "to": str(other.public_id)}
    assert other != profile


def test_a_split_sent_twice_is_one():
    send(SourceFactory(), identify(user="u1", anonymous="a1", at=0))
    profile, api = profile_of("user_id", "u1"), api_of(OPERATOR)

    answers = [split(profile, ("anonymous_id", "a1"), api=api, Idempotency_Key="k1") for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert ProfileSplit.objects.count() == 1


@pytest.mark.parametrize(
    ("named", "status", "problem"),
    [
        ([("email", "ann@example.com")], 400, "identifiers[0].value: is no identifier of this person"),
        ([("user_id", "u1"), ("anonymous_id", "a9")], 400, "identifiers[1].value: is no identifier of this person"),
        ([("user_id", "u1"), ("anonymous_id", "a1")], 409, "Nothing would stay: a person needs at least one identifier."),  # noqa: E501
    ],
    ids=["none of that kind", "another's", "all"],
)  # fmt: skip
def test_what_cannot_be_split_off_is_named(named, status, problem):
    send(SourceFactory(), identify(user="u1", anonymous="a1", at=0))

    answer = split(profile_of("user_id", "u1"), *named)

    assert (answer.status_code, answer.json()["detail"]) == (status, problem)
    assert not ProfileSplit.objects.exists()


def test_a_row_by_hand_goes_along_with_a_split_that_names_it():
    send(SourceFactory(), identify(user="u1", anonymous="a1", at=0))
    profile, tag, api = profile_of("user_id", "u1"), TagFactory(key="vip", name="VIP"), api_of(OPERATOR)
    assign_tag(tag, [profile.pk], now=timezone.now())
    named = {"identifiers": [{"kind": "anonymous_id", "value": "a1"}]}

    seen = api.send("post", f"profiles/{profile.public_id}/split/preview/", named).json()
    wrong = api.send("post", f"profiles/{profile.public_id}/split/", {**named, "along": [row_of(seen), "tags.tag:1"]})

    assert seen["going"] == [{"kind": "anonymous_id", "value": "a1"}]
    assert seen["staying"] == [{"kind": "user_id", "value": "u1"}]
    assert [(row["label"], row["goes"]) for row in seen["hand_made"]] == [("VIP", False)]
    assert (wrong.status_code, wrong.json()["detail"]) == (400, "along[1]: is no row by hand of this person")
    assert profile_of("anonymous_id", "a1") == profile

    answer = api.send("post", f"profiles/{profile.public_id}/split/", {**named, "along": [row_of(seen)]})

    assert answer.status_code == 200
    assert TagAssignment.objects.get().profile == profile_of("anonymous_id", "a1") != profile


def row_of(preview):
    """What names its one row by hand."""
    return preview["hand_made"][0]["ref"]


def test_a_row_by_hand_goes_along_with_an_undo_that_names_it(ann, visitor):
    merge(ann, visitor)
    tag, api = TagFactory(key="vip"), api_of(OPERATOR)
    assign_tag(tag, [ann.pk], now=timezone.now())
    (found,) = api.send("get", "merges/?cause=manual").json()["results"]
    seen = api.send("post", f"merges/{found['id']}/undo/preview/").json()
    assert seen["going"] == [{"kind": "anonymous_id", "value": "a1"}]
    assert ProfileMerge.objects.get().undone_at is None

    wrong = api.send("post", f"merges/{found['id']}/undo/", {"along": ["x"]})
    answer = api.send("post", f"merges/{found['id']}/undo/", {"along": [row_of(seen)]})
    again = api.send("post", f"merges/{found['id']}/undo/preview/")

    assert (wrong.status_code, answer.status_code) == (400, 200)
    assert TagAssignment.objects.get().profile == visitor
    assert (again.status_code, again.json()["detail"]) == (409, "This merge was undone already.")


def test_a_merge_is_undone_and_the_old_id_lives_again(ann, visitor):
    merge(ann, visitor)
    api = api_of(INTEGRATION)
    (found,) = api.send("get", "merges/?cause=manual").json()["results"]

    answer = api.generic("POST", f"/api/v1/merges/{found['id']}/undo/")  # without a body, as curl sends it
    again = api.send("post", f"merges/{found['id']}/undo/", {})

    assert (answer.status_code, answer.json()["id"]) == (200, str(visitor.public_id))
    assert api.send("get", f"profiles/{visitor.public_id}/").json()["identifiers"] == [
        {"kind": "anonymous_id", "value": "a1"}
    ]
    assert (again.status_code, again.json()["detail"]) == (409, "This merge was undone already.")
    assert api.send("get", f"merges/{found['id']}/").json()["undone_by"].startswith("token-")


def test_the_feed_tells_who_became_whom_in_order_without_gaps(ann, visitor):
    api = api_of(VIEWER)
    start = api.send("get", "profiles/changes/").json()
    merge(ann, visitor)
    split(ann, ("anonymous_id", "a1"))

    first = api.send("get", f"profiles/changes/?after={start['next_after']}&page_size=1").json()
    rest = api.send("get", f"profiles/changes/?after={first['next_after']}").json()
    end = api.send("get", f"profiles/changes/?after={rest['next_after']}").json()

    assert start == {"results": [], "next_after": 0}
    told = [
        {key: change[key] for key in ("profile", "change", "into")} for change in first["results"] + rest["results"]
    ]
    assert told == [
        {"profile": str(visitor.public_id), "change": "merged", "into": str(ann.public_id)},
        {"profile": str(ann.public_id), "change": "split", "into": str(visitor.public_id)},
    ]
    assert end == {"results": [], "next_after": rest["results"][-1]["id"]}


@pytest.mark.parametrize("query", ["after=x", "after=-1", "page_size=0", "before=1"])
def test_a_feed_asked_oddly_is_400(query):
    assert api_of(VIEWER).send("get", f"profiles/changes/?{query}").status_code == 400


def test_separations_are_listed_and_lifted():
    send(SourceFactory(), identify(user="u1", anonymous="a1", at=0))
    profile, api = profile_of("user_id", "u1"), api_of(OPERATOR)
    other = split(profile, ("anonymous_id", "a1"), api=api).json()["to"]

    (found,) = api.send("get", f"profiles/{other}/separations/").json()["results"]
    lifted = api.send("post", f"separations/{found['id']}/lift/").json()
    left = api.send("get", f"profiles/{other}/separations/").json()["results"]

    assert sorted(found["identifiers"], key=lambda side: side["value"]) == [
        {"kind": "anonymous_id", "value": "a1", "profile": other},
        {"kind": "user_id", "value": "u1", "profile": str(profile.public_id)},
    ]
    assert (found["lifted_at"], left) == (None, [])
    assert lifted["lifted_by"].startswith("token-")
    assert api.send("get", f"separations/{found['id']}/").json() == lifted


def test_the_separations_of_a_split_are_lifted_at_once():
    send(SourceFactory(), identify(user="u1", anonymous="a1", phone="13800138000", at=0))
    profile, api = profile_of("user_id", "u1"), api_of(OPERATOR)
    split(profile, ("anonymous_id", "a1"), api=api)
    found = api.send("get", f"profiles/{profile.public_id}/separations/").json()["results"]
    ids = [each["id"] for each in found]
    assert len(ids) == 2

    api.send("post", f"separations/{ids[0]}/lift/")
    answer = api.send("post", "separations/lift/", {"ids": [*ids, 10**9]}).json()

    assert answer == {"lifted": 1, "unchanged": 1, "unknown": [10**9]}
    assert api.send("get", f"profiles/{profile.public_id}/separations/").json()["results"] == []
    assert api.send("post", "separations/lift/", {"ids": []}).status_code == 400


def test_viewers_see_separations_masked():
    send(SourceFactory(), identify(user="u1", anonymous="a1", at=0))
    profile = profile_of("user_id", "u1")
    split(profile, ("anonymous_id", "a1"))

    (found,) = api_of(VIEWER).send("get", f"profiles/{profile.public_id}/separations/").json()["results"]

    assert {side["value"] for side in found["identifiers"]} == {"•••", "a1"}
