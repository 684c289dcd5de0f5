from datetime import timedelta

import pytest

from cdp.models import Run
from profiles.masking import MASK
from profiles.services.preview import PreviewTimeout
from segments.api import segments as endpoints
from segments.models import MembershipChange, Segment
from tests.clients import api_of
from tests.factories.campaigns import CampaignFactory
from tests.factories.profiles import SEEN_AT, IdentifierFactory, ProfileFactory
from tests.factories.segments import MembershipFactory, SegmentFactory, StaticSegmentFactory

IN_OSLO = {"op": "attribute", "key": "city", "is": "eq", "value": "Oslo"}
IN_ROME = IN_OSLO | {"value": "Rome"}
ANN = {"op": "attribute", "key": "email", "is": "eq", "value": "ann@example.com"}
OSLO = {"key": "oslo", "name": "Oslo", "kind": "dynamic", "rule": IN_OSLO}
pytestmark = pytest.mark.django_db


def change(segment, profile, kind, cause="data", at=SEEN_AT):
    return MembershipChange.objects.create(segment=segment, profile=profile, change=kind, cause=cause, at=at)


def test_a_segment_is_made_and_its_refresh_queued():
    response = api_of("operator").send("post", "segments/", OSLO)

    segment, run = Segment.objects.get(), Run.objects.get()
    assert response.status_code == 201
    assert response.json() == OSLO | {
        "category": "",
        "owner": None,
        "description": "",
        "alert_percent": None,
        "version": 1,
        "n_members": 0,
        "refreshed_at": None,
        "refresh_error": "",
        "created_at": segment.created_at.isoformat().replace("+00:00", "Z"),
        "archived_at": None,
    }
    assert (run.kind, run.subject) == ("refresh", "segment:oslo")
    assert api_of("viewer").send("get", "segments/oslo/").json() == response.json()


def test_a_patch_of_an_old_version_is_refused_and_changes_nothing():
    SegmentFactory(key="oslo", rule=IN_OSLO)
    api = api_of("operator")

    first = api.send("patch", "segments/oslo/", {"rule": IN_ROME, "version": 1})
    late = api.send("patch", "segments/oslo/", {"rule": IN_OSLO, "version": 1})
    unnamed = api.send("patch", "segments/oslo/", {"name": "City"})

    assert (first.status_code, first.json()["version"]) == (200, 2)
    assert (late.status_code, late.json()["type"].rsplit("/", 1)[1]) == (409, "conflict")
    assert (unnamed.status_code, unnamed.json()["version"], unnamed.json()["rule"]) == (200, 2, IN_ROME)


def test_a_segment_may_be_sent_back_as_it_was_read():
    SegmentFactory(key="oslo", rule=IN_OSLO)
    api = api_of("operator")
    body = api.send("get", "segments/oslo/").json()

    assert api.send("patch", "segments/oslo/", body).json() == body
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"key": "changes"}, "key"),
        ({"key": "a b"}, "key"),
        ({"name": None}, "name"),
        ({"kind": "frozen"}, "kind"),
        ({"kind": "snapshot", "rule": None}, "rule"),
        ({"owner": "nobody"}, "owner"),
        ({"alert_percent": 0}, "alert_percent"),
        ({"archived_at": "2026-01-01T00:00:00Z"}, "archived_at"),
        ({"kind": "static"}, "rule"),
        ({"rule": None}, "rule"),
        ({"rule": {}}, ""),
        ({"rule": []}, ""),
        ({"rule": {"all": []}}, "all"),
        ({"rule": {"all": [IN_OSLO, {"op": "wish"}]}}, "all[1].op"),
        ({"rule": {"not": IN_OSLO | {"value": 7}}}, "not.value"),
        ({"rule": IN_OSLO | {"key": "nowhere"}}, "key"),
        ({"rules": IN_OSLO}, "rules"),
        ({"version": 3}, "version"),
        ({"n_members": 3}, "n_members"),
    ],
)
def test_bad_input_says_where_and_makes_nothing(body, path):
    answer = api_of("operator").send("post", "segments/", OSLO | body).json()

    assert answer["status"] == 400
    assert path in [error["path"] for error in answer["errors"]]
    assert not Segment.objects.exists()
    assert not Run.objects.exists()


def test_rules_in_a_circle_are_refused_with_their_path():
    SegmentFactory(key="rome", rule=IN_ROME)
    SegmentFactory(key="oslo", rule={"op": "segment", "key": "rome"})

    response = api_of("operator").send("patch", "segments/rome/", {"rule": {"op": "segment", "key": "oslo"}})

    assert response.status_code == 400
    assert "segment:oslo" in response.json()["detail"]
    assert Segment.objects.get(key="rome").rule == IN_ROME


def test_a_segment_that_is_used_is_not_deleted_and_its_users_are_named():
    rome = SegmentFactory(key="rome", rule=IN_ROME)
    SegmentFactory(key="oslo", name="Oslo folk", rule={"op": "segment", "key": "rome"})
    api = api_of("operator")

    refused = api.send("delete", "segments/rome/")
    api.send("delete", "segments/oslo/")
    CampaignFactory(name="Spring", segment=rome)
    refused_too = api.send("delete", "segments/rome/")

    assert (refused.status_code, refused_too.status_code) == (409, 409)
    assert "Oslo folk" in refused.json()["detail"]
    assert "Spring" in refused_too.json()["detail"]
    assert [segment.key for segment in Segment.objects.all()] == ["rome"]


def test_personal_values_in_rules_are_masked():
    SegmentFactory(key="ann", rule=ANN)

    assert api_of("viewer").send("get", "segments/ann/").json()["rule"]["value"] == MASK
    assert api_of("operator").send("get", "segments/ann/").json()["rule"]["value"] == "ann@example.com"


def test_a_preview_counts_exactly_and_keeps_nothing():
    oslo = [ProfileFactory(attributes={"city": "Oslo"}) for _index in range(12)]
    ProfileFactory(attributes={"city": "Rome"})

    body = api_of("operator").send("post", "segments/preview/", {"rule": IN_OSLO}).json()

    assert body["count"] == 12
    assert set(body["sample"]) <= {str(profile.public_id) for profile in oslo}
    assert not Segment.objects.exists()


def test_a_bad_preview_says_where_in_the_rule():
    api = api_of("operator")

    assert api.send("post", "segments/preview/", {}).json()["errors"][0]["path"] == "rule"
    assert api.send("post", "segments/preview/", {"rule": IN_OSLO, "x": 1}).json()["errors"][0]["path"] == "x"
    bad = api.send("post", "segments/preview/", {"rule": {"any": [{"op": "wish"}]}}).json()
    assert [error["path"] for error in bad["errors"]] == ["any[0].op"]


def test_whatever_is_wrong_with_a_body_is_said_at_once():
    body = {"key": "a b", "name": "", "rule": {"any": [{"op": "wish"}, {"op": "tag", "key": "x"}]}, "wish": 1}

    answer = api_of("operator").send("post", "segments/", body).json()

    assert [error["path"] for error in answer["errors"]] == ["wish", "key", "name", "any[0].op", "any[1].key"]
    assert [error.get("field") for error in answer["errors"]] == [None, None, None, "rule", "rule"]
    assert answer["type"].endswith("/problems/rule")


def test_a_preview_that_takes_too_long_is_503(monkeypatch):
    def too_long(rule, *, now):
        raise PreviewTimeout

    monkeypatch.setattr(endpoints, "preview_rule", too_long)

    response = api_of("operator").send("post", "segments/preview/", {"rule": IN_OSLO})

    assert response.status_code == 503
    assert response.json()["type"].endswith("/preview-timeout")


def test_who_may_not_write_rules_may_not_guess_by_them():
    assert api_of("viewer").send("post", "segments/preview/", {"rule": ANN}).status_code == 403
    assert api_of("campaign_manager").send("post", "segments/preview/", {"rule": ANN}).status_code == 403


def test_a_refresh_answers_with_its_run():
    SegmentFactory(key="oslo")

    response = api_of("operator").send("post", "segments/oslo/refresh/")

    run = Run.objects.get()
    assert response.status_code == 202
    assert (response.json()["id"], run.subject, run.params) == (run.pk, "segment:oslo", {"cause": "correction"})
    assert response["Location"] == f"/api/v1/runs/{run.pk}/"


def test_members_say_since_when():
    oslo = SegmentFactory(key="oslo")
    ann, bo = MembershipFactory(segment=oslo), MembershipFactory(segment=oslo, entered_at=SEEN_AT + timedelta(days=1))
    MembershipFactory()

    body = api_of("viewer").send("get", "segments/oslo/members/").json()

    assert body == {
        "next": None,
        "previous": None,
        "results": [
            {"profile": str(ann.profile.public_id), "entered_at": "2026-01-01T00:00:00Z"},
            {"profile": str(bo.profile.public_id), "entered_at": "2026-01-02T00:00:00Z"},
        ],
    }


@pytest.mark.parametrize(("path", "n_queries"), [("members", 2), ("changes", 4)])
@pytest.mark.parametrize("n", [1, 20])
def test_pages_of_people_take_a_fixed_number_of_queries(path, n_queries, n, django_assert_num_queries):
    oslo = SegmentFactory(key="oslo")
    for _index in range(n):
        change(oslo, MembershipFactory(segment=oslo).profile, "entered")
    api = api_of("viewer")

    with django_assert_num_queries(3 + n_queries):
        assert len(api.send("get", f"segments/oslo/{path}/").json()["results"]) == n


@pytest.mark.parametrize("n", [1, 20])
def test_a_list_of_segments_is_one_query(n, django_assert_num_queries):
    for _index in range(n):
        SegmentFactory()
    api = api_of("operator")

    with django_assert_num_queries(3 + 1):
        assert len(api.send("get", "segments/?kind=dynamic").json()["results"]) == n


def test_a_feed_tells_each_change_in_order():
    oslo, rome = SegmentFactory(key="oslo"), SegmentFactory(key="rome")
    ann = ProfileFactory()
    came = change(oslo, ann, "entered", "rule")
    other = change(rome, ann, "entered")
    left = change(oslo, ann, "left", at=SEEN_AT + timedelta(milliseconds=5))
    api = api_of("viewer")
    shown = [
        {"id": came.pk, "profile": str(ann.public_id), "change": "entered", "cause": "rule",
         "at": "2026-01-01T00:00:00Z"},
        {"id": left.pk, "profile": str(ann.public_id), "change": "left", "cause": "data",
         "at": "2026-01-01T00:00:00.005000Z"},
    ]  # fmt: skip

    assert api.send("get", "segments/oslo/changes/").json() == {"results": shown, "next_after": left.pk}
    assert api.send("get", f"segments/oslo/changes/?after={left.pk}").json() == {"results": [], "next_after": left.pk}
    every = api.send("get", "segments/changes/").json()
    assert [(row["id"], row["segment"]) for row in every["results"]] == [
        (came.pk, "oslo"), (other.pk, "rome"), (left.pk, "oslo"),
    ]  # fmt: skip


def test_an_empty_feed_starts_at_nothing():
    SegmentFactory(key="oslo")

    assert api_of("viewer").send("get", "segments/oslo/changes/").json() == {"results": [], "next_after": 0}


@pytest.mark.parametrize("page_size", [1, 2, 3, 7])
@pytest.mark.parametrize("path", ["segments/changes/", "segments/oslo/changes/"])
def test_a_feed_read_in_pages_is_the_feed_read_at_once(path, page_size):
    oslo, rome = SegmentFactory(key="oslo"), SegmentFactory(key="rome")
    for index in range(7):
        change(oslo if index % 3 else rome, ProfileFactory(), "entered")
    api, seen, after = api_of("viewer"), [], 0
    while page := (body := api.send("get", f"{path}?after={after}&page_size={page_size}").json())["results"]:
        assert body["next_after"] == page[-1]["id"] > after
        seen, after = seen + page, body["next_after"]

    assert seen == api.send("get", path).json()["results"]
    assert body["next_after"] == after
    late = change(oslo, ProfileFactory(), "entered")
    assert [row["id"] for row in api.send("get", f"{path}?after={after}").json()["results"]] == [late.pk]


@pytest.mark.parametrize("after", ["-1", "x", "", "1.5", str(2**63), "1" * 40, "٣", "%00"])
def test_a_bad_place_in_a_feed_is_named(after):
    body = api_of("viewer").send("get", f"segments/changes/?after={after}").json()

    assert body["status"] == 400
    assert [error["path"] for error in body["errors"]] == ["after"]


@pytest.mark.parametrize("path", ["", "members/", "changes/"])
def test_an_unknown_segment_is_not_found(path):
    assert api_of("viewer").send("get", f"segments/nobody/{path}").status_code == 404


def test_profiles_are_filtered_by_segment_and_tag():
    membership = MembershipFactory(segment__key="oslo")
    IdentifierFactory()
    api = api_of("viewer")

    found = api.send("get", "profiles/?segment=oslo").json()["results"]

    assert [row["id"] for row in found] == [str(membership.profile.public_id)]
    assert api.send("get", "profiles/?segment=nobody").json()["errors"][0]["path"] == "segment"
    assert api.send("get", "profiles/?tag=nobody").json()["errors"][0]["path"] == "tag"


def test_a_segment_by_hand_is_made_and_filled_and_emptied():
    ann = IdentifierFactory(kind_key="email", value="ann@example.com").profile
    api = api_of("operator")

    made = api.send("post", "segments/", {"key": "guests", "name": "Guests", "kind": "static"})
    named = {"identifiers": [{"kind": "email", "value": "Ann@example.com"}, {"kind": "email", "value": "bo@x.org"}]}
    added = api.send("post", "segments/guests/profiles/", named)
    again = api.send("post", "segments/guests/profiles/", {"profiles": [str(ann.public_id)]})
    members = api.send("get", "segments/guests/members/").json()["results"]
    removed = api.send("delete", "segments/guests/profiles/", named)

    assert (made.status_code, made.json()["kind"], made.json()["rule"]) == (201, "static", None)
    assert added.json() == {"added": 1, "unchanged": 0, "unknown": [{"kind": "email", "value": "bo@x.org"}]}
    assert again.json() == {"added": 0, "unchanged": 1, "unknown": []}
    assert [row["profile"] for row in members] == [str(ann.public_id)]
    assert removed.json() == {"removed": 1, "unchanged": 0, "unknown": [{"kind": "email", "value": "bo@x.org"}]}
    feed = api.send("get", "segments/guests/changes/").json()["results"]
    assert [(row["change"], row["cause"]) for row in feed] == [("entered", "manual"), ("left", "manual")]
    assert not Run.objects.exists()


def test_rule_and_hand_do_not_mix():
    SegmentFactory(key="oslo")
    StaticSegmentFactory(key="guests")
    ann, api = ProfileFactory(), api_of("operator")

    by_hand = api.send("post", "segments/oslo/profiles/", {"profiles": [str(ann.public_id)]})
    refresh = api.send("post", "segments/guests/refresh/")
    rule = api.send("patch", "segments/guests/", {"rule": IN_OSLO})
    kind = api.send("patch", "segments/guests/", {"kind": "dynamic"})
    body = api.send("get", "segments/guests/").json()

    assert [answer.status_code for answer in (by_hand, refresh, rule, kind)] == [409, 409, 400, 400]
    assert rule.json()["errors"][0]["path"] == "rule"
    assert api.send("patch", "segments/guests/", body).json() == body


def test_lists_leave_the_archive_out_and_find_by_category_owner_and_words():
    operator = api_of("operator")
    operator.send("post", "segments/", OSLO | {"category": "Cities", "owner": None, "description": "by the fjord"})
    operator.send("post", "segments/", OSLO | {"key": "old"})
    archived = operator.send("post", "segments/old/archive/")

    def found(query):
        return [each["key"] for each in operator.send("get", f"segments/{query}").json()["results"]]

    assert archived.json()["archived_at"] is not None
    assert found("") == ["oslo"]
    assert found("?archived=true") == ["old"]
    assert found("?archived=false") == found("?archived=") == ["oslo"]
    assert operator.send("get", "segments/?archived=maybe").status_code == 400
    assert found("?category=Cities") == ["oslo"]
    assert found("?search=FJORD") == ["oslo"]
    assert found("?search=nothing") == []
    assert found("?owner=nobody") == []
    assert operator.send("get", "segments/old/").json()["key"] == "old"
    assert operator.send("post", "segments/old/refresh/").status_code == 409
    assert operator.send("patch", "segments/old/", {"name": "New"}).status_code == 409
    frozen = operator.send("post", "segments/old/duplicate/", {"key": "o", "name": "O", "kind": "snapshot"})
    assert (frozen.status_code, frozen.json()["detail"]) == (409, "“Oslo” is archived: restore it first.")
    assert operator.send("delete", "segments/old/archive/").json()["archived_at"] is None


def test_a_segment_that_is_used_is_not_archived():
    SegmentFactory(key="rome", rule=IN_ROME)
    SegmentFactory(name="Oslo folk", rule={"op": "segment", "key": "rome"})

    refused = api_of("operator").send("post", "segments/rome/archive/")

    assert (refused.status_code, "Oslo folk" in refused.json()["detail"]) == (409, True)


def test_a_copy_is_answered_whole():
    SegmentFactory(key="oslo", rule=IN_OSLO)
    api = api_of("operator")

    copy = api.send("post", "segments/oslo/duplicate/", {"key": "oslo-2", "name": "Oslo too"})
    frozen = api.send("post", "segments/oslo/duplicate/", {"key": "oslo-3", "name": "Then", "kind": "snapshot"})
    taken = api.send("post", "segments/oslo/duplicate/", {"key": "oslo-2", "name": "Again"})

    assert (copy.status_code, copy.json()["rule"], copy.json()["kind"]) == (201, IN_OSLO, "dynamic")
    assert (frozen.json()["kind"], frozen.json()["rule"]) == ("snapshot", {"op": "segment", "key": "oslo"})
    assert (taken.status_code, taken.json()["errors"][0]["path"]) == (400, "key")


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "It is taken already: choose another."), ("zh-hans", "已被占用，请换一个。")],
)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("segments/", {"kind": "static"}),
        ("tags/", {"kind": "manual"}),
        ("tier-schemes/", {"tiers": [{"key": "low", "name": "Low"}]}),
    ],
    ids=["segment", "tag", "scheme"],
)
def test_a_key_that_is_taken_is_said_so_in_plain_words(path, body, language, words):
    api = api_of("operator")
    given = {"key": "loyal", "name": "Loyal", **body}
    assert api.send("post", path, given).status_code == 201

    answer = api.send("post", path, given, Accept_Language=language)

    assert (answer.status_code, answer.json()["errors"]) == (400, [{"path": "key", "message": words}])
