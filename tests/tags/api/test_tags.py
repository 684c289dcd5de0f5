from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import time_machine

from cdp.models import Run
from profiles.models import ProfileChange
from tags.models import Tag, TagAssignment
from tests.clients import api_of
from tests.factories.profiles import IdentifierFactory, ProfileFactory
from tests.factories.segments import SegmentFactory
from tests.factories.tags import TagAssignmentFactory, TagFactory, TagValueFactory

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
IN_OSLO = {"op": "attribute", "key": "city", "is": "eq", "value": "Oslo"}
VIP = {"key": "vip", "name": "VIP", "kind": "manual", "category": "value"}
CITY = {
    "key": "city",
    "name": "City",
    "kind": "rule",
    "values": [{"key": "oslo", "name": "Oslo", "rule": IN_OSLO}, {"key": "a", "name": "A", "rule": {"not": IN_OSLO}}],
}
pytestmark = pytest.mark.django_db


def test_a_tag_by_hand_is_made():
    response = api_of("operator").send("post", "tags/", VIP)

    assert response.status_code == 201
    assert response.json() == VIP | {
        "lifecycle": "active",
        "owner": None,
        "description": "",
        "expires_after_days": None,
        "rule": None,
        "values": [],
        "version": 1,
        "refreshed_at": None,
        "refresh_error": "",
        "created_at": Tag.objects.get().created_at.isoformat().replace("+00:00", "Z"),
    }
    assert not Run.objects.exists()


def test_a_tag_by_rules_keeps_the_order_of_its_values_and_is_refreshed():
    api = api_of("operator")

    made = api.send("post", "tags/", CITY).json()
    swapped = api.send("patch", "tags/city/", {"values": CITY["values"][::-1], "version": 1}).json()

    assert made["values"] == CITY["values"]
    assert swapped["values"] == CITY["values"][::-1]
    assert swapped["version"] == 2
    assert {run.subject for run in Run.objects.all()} == {"tag:city"}
    assert api.send("patch", "tags/city/", {"name": "Town", "version": 1}).status_code == 409
    assert api.send("patch", "tags/city/", swapped).json() == swapped


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (VIP | {"key": "preview"}, "key"),
        (VIP | {"kind": "model"}, "kind"),
        (VIP | {"rule": IN_OSLO}, "rule"),
        (CITY | {"rule": IN_OSLO}, "rule"),
        (CITY | {"values": []}, "rule"),
        (CITY | {"values": [CITY["values"][0]] * 2}, "values[1].key"),
        (CITY | {"values": [{"key": "oslo", "name": "Oslo", "rule": {"op": "wish"}}]}, "values[0].rule.op"),
        (CITY | {"values": [{"key": "oslo"}]}, "values[0].name"),
        (CITY | {"values": [{"key": "oslo", "name": "O", "colour": "red"}]}, "values[0].colour"),
        (CITY | {"values": "oslo"}, "values"),
        (CITY | {"values": [], "rule": {"all": [{"op": "wish"}]}}, "all[0].op"),
        (VIP | {"owner": "li"}, "owner"),
        (VIP | {"colour": "red"}, "colour"),
        (VIP | {"lifecycle": "archived"}, "lifecycle"),
    ],
)
def test_bad_input_says_where_and_makes_nothing(body, path):
    answer = api_of("operator").send("post", "tags/", body).json()

    assert answer["status"] == 400
    assert path in [error["path"] for error in answer["errors"]]
    assert not Tag.objects.exists()
    assert not Run.objects.exists()


def test_key_and_kind_stay_as_they_were_made():
    TagFactory(key="vip")

    answer = api_of("operator").send("patch", "tags/vip/", {"key": "pip", "kind": "rule"}).json()

    assert [error["path"] for error in answer["errors"]] == ["key", "kind"]


def test_a_tag_that_a_rule_speaks_of_is_not_deleted():
    TagFactory(key="vip")
    SegmentFactory(name="Best", rule={"op": "tag", "key": "vip"})

    response = api_of("operator").send("delete", "tags/vip/")

    assert response.status_code == 409
    assert "Best" in response.json()["detail"]
    assert Tag.objects.exists()


def test_tags_are_filtered_by_kind_and_category():
    TagFactory(key="vip", category="value")
    TagFactory(key="odd", category="else")
    TagFactory(key="city", kind="rule", rule=IN_OSLO, category="value")

    found = api_of("viewer").send("get", "tags/?kind=manual&category=value").json()["results"]

    assert [row["key"] for row in found] == ["vip"]


def test_people_get_a_tag_by_id_or_identifier_and_the_unknown_are_named():
    TagFactory(key="vip")
    ann, bo = ProfileFactory(), ProfileFactory()
    merged = ProfileFactory(merged_into=bo)
    IdentifierFactory(profile=ann, kind_key="email", value="ann@example.com")
    nobody = str(uuid4())
    api = api_of("integration")

    by_identifier = api.send("post", "tags/vip/assignments/", {
        "identifiers": [{"kind": "email", "value": "Ann@example.com"}, {"kind": "email", "value": "bo@example.com"}],
    }).json()  # fmt: skip
    by_id = api.send("post", "tags/vip/assignments/", {
        "profiles": [str(ann.public_id), str(merged.public_id), str(bo.public_id), nobody],
    }).json()  # fmt: skip

    unknown = {"kind": "email", "value": "bo@example.com"}
    assert by_identifier == {"assigned": 1, "unchanged": 0, "unknown": [unknown]}
    assert by_id == {"assigned": 1, "unchanged": 1, "unknown": [nobody]}
    assert set(TagAssignment.objects.values_list("profile", flat=True)) == {ann.pk, bo.pk}
    assert set(ProfileChange.objects.values_list("topic", flat=True)) == {"tag:vip"}


@time_machine.travel(NOW, tick=False)
def test_an_assignment_has_a_value_and_an_end():
    card = TagFactory(key="card")
    TagValueFactory(tag=card, key="gold")
    ann = ProfileFactory()
    body = {"profiles": [str(ann.public_id)], "value": "gold", "expires_at": "2026-11-23T00:00:00+08:00"}
    api = api_of("operator")

    assert api.send("post", "tags/card/assignments/", body).json() == {"assigned": 1, "unchanged": 0, "unknown": []}
    assert api.send("get", "tags/card/profiles/?value=gold").json()["results"] == [
        {
            "profile": str(ann.public_id),
            "value": "gold",
            "assigned_at": "2026-11-22T12:00:00Z",
            "expires_at": "2026-11-22T16:00:00Z",
        }
    ]


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({"kind": "rule"}, ["rule"]),
        ({"kind": "rule", "values": [{"key": "a", "name": "A"}, {"key": "b", "name": "B"}]},
         ["values[0].rule", "values[1].rule"]),
        ({"kind": "manual", "values": [{"key": "a", "name": "A"}, {"key": "a", "name": "B"}]}, ["values[1].key"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_values_is_said_at_its_place(body, paths):
    answer = api_of("operator").send("post", "tags/", {"key": "card", "name": "Card", **body})

    assert (answer.status_code, [error["path"] for error in answer.json()["errors"]]) == (400, paths)


def test_a_tag_is_taken_off_again():
    carried = TagAssignmentFactory(tag__key="vip")
    other = ProfileFactory()
    body = {"profiles": [str(carried.profile.public_id), str(other.public_id)]}
    api = api_of("operator")

    assert api.send("delete", "tags/vip/assignments/", body).json() == {"assigned": 1, "unchanged": 1, "unknown": []}
    assert not TagAssignment.objects.exists()


def test_a_value_is_taken_off_those_who_carry_it():
    card = TagFactory(key="card")
    gold, silver = (TagValueFactory(tag=card, key=key) for key in ("gold", "silver"))
    ann, bo = (TagAssignmentFactory(tag=card, value=value).profile for value in (gold, silver))
    body = {"profiles": [str(ann.public_id), str(bo.public_id)], "value": "gold"}
    api = api_of("operator")

    wrong = api.send("delete", "tags/card/assignments/", body | {"value": "iron"})
    taken = api.send("delete", "tags/card/assignments/", body)

    assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (400, "value")
    assert taken.json() == {"assigned": 1, "unchanged": 1, "unknown": []}
    assert TagAssignment.objects.get().profile == bo


def test_a_tag_by_rule_is_not_assigned_by_hand():
    TagFactory(key="city", kind="rule", rule=IN_OSLO)
    body = {"profiles": [str(ProfileFactory().public_id)]}

    for method in ("post", "delete"):
        assert api_of("operator").send(method, "tags/city/assignments/", body).status_code == 409
    assert not TagAssignment.objects.exists()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, ""),
        ({"profiles": [], "value": "gold"}, "profiles"),
        ({"profiles": ["x"]}, "profiles[0]"),
        ({"profiles": [str(uuid4())], "identifiers": [{"kind": "email", "value": "x"}]}, ""),
        ({"identifiers": [{"kind": "mail", "value": "x"}]}, "identifiers[0].kind"),
        ({"profiles": [str(uuid4())], "value": "iron"}, "value"),
        ({"profiles": [str(uuid4())]}, "value"),
        ({"profiles": [str(uuid4())], "value": "gold", "expires_at": "2026-11-23T00:00:00"}, "expires_at"),
        ({"profiles": [str(uuid4())], "value": "gold", "expires_at": "2000-01-01T00:00:00Z"}, "expires_at"),
        ({"profiles": [str(uuid4())], "value": "gold", "until": "2030-01-01T00:00:00Z"}, "until"),
    ],
)
def test_a_bad_assignment_says_where_and_assigns_nothing(body, path):
    TagValueFactory(tag=TagFactory(key="card"), key="gold")

    answer = api_of("operator").send("post", "tags/card/assignments/", body).json()

    assert answer["status"] == 400
    assert path in [error["path"] for error in answer["errors"]]
    assert not TagAssignment.objects.exists()


def test_only_assignments_in_force_are_listed():
    vip = TagFactory(key="vip")
    now = datetime.now(UTC)
    lasting = TagAssignmentFactory(tag=vip, expires_at=now + timedelta(hours=1))
    TagAssignmentFactory(tag=vip, expires_at=now - timedelta(hours=1))

    found = api_of("viewer").send("get", "tags/vip/profiles/").json()["results"]

    assert [row["profile"] for row in found] == [str(lasting.profile.public_id)]


def test_carriers_of_a_value_are_listed_and_a_misspelt_one_is_refused():
    gold = TagValueFactory(tag=TagFactory(key="card"), key="gold")
    golden = TagAssignmentFactory(tag=gold.tag, value=gold)
    TagAssignmentFactory(tag=gold.tag)
    api = api_of("viewer")

    found = api.send("get", "tags/card/profiles/?value=gold").json()["results"]
    refused = api.send("get", "tags/card/profiles/?value=glod")

    assert [row["profile"] for row in found] == [str(golden.profile.public_id)]
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (400, "value")


@pytest.mark.parametrize("n", [1, 20])
def test_lists_take_a_fixed_number_of_queries(n, django_assert_num_queries):
    vip = TagFactory(key="vip")
    for index in range(n):
        TagAssignmentFactory(tag=vip)
        TagValueFactory(tag=TagFactory() if index else vip)
    api = api_of("operator")

    with django_assert_num_queries(3 + 2):
        assert len(api.send("get", "tags/").json()["results"]) == n
    with django_assert_num_queries(3 + 2):
        assert len(api.send("get", "tags/vip/profiles/").json()["results"]) == n


def test_a_tag_goes_into_the_archive_and_out_of_the_list():
    TagFactory(key="vip")
    api = api_of("operator")

    assert api.send("patch", "tags/vip/", {"lifecycle": "archived"}).json()["lifecycle"] == "archived"

    assert api.send("get", "tags/").json()["results"] == []
    assert [tag["key"] for tag in api.send("get", "tags/?lifecycle=archived").json()["results"]] == ["vip"]
    assert api.send("post", "tags/vip/assignments/", {"profiles": []}).status_code == 409
    assert api.send("patch", "tags/vip/", {"name": "New"}).status_code == 409
    assert api.send("patch", "tags/vip/", {"lifecycle": "active"}).json()["lifecycle"] == "active"


def test_a_tag_that_rules_speak_of_is_not_archived():
    TagFactory(key="vip")
    SegmentFactory(name="Best", rule={"op": "tag", "key": "vip"})

    answer = api_of("operator").send("patch", "tags/vip/", {"lifecycle": "archived"})

    assert answer.status_code == 409
    assert "Best" in answer.json()["detail"]
    assert Tag.objects.get().lifecycle == "active"


def test_the_feed_tells_who_got_changed_and_lost_it():
    tag, ann = TagFactory(key="card"), ProfileFactory()
    for key in ("gold", "silver"):
        TagValueFactory(tag=tag, key=key)
    TagFactory(key="vip")
    api = api_of("operator")
    who = {"profiles": [str(ann.public_id)]}

    for value in ("gold", "silver"):
        api.send("post", "tags/card/assignments/", who | {"value": value})
    api.send("delete", "tags/card/assignments/", who)
    api.send("post", "tags/vip/assignments/", who)

    first = api.send("get", "tags/card/changes/?page_size=2").json()
    rest = api.send("get", f"tags/card/changes/?after={first['next_after']}").json()
    turns = [(row["change"], row["before"], row["after"]) for row in first["results"] + rest["results"]]
    assert turns == [("assigned", None, "gold"), ("changed", "gold", "silver"), ("removed", "silver", None)]
    every = api.send("get", "tags/changes/").json()["results"]
    assert [row["tag"] for row in every] == ["card", "card", "card", "vip"]
    assert every[-1] == {
        "id": every[-1]["id"],
        "tag": "vip",
        "profile": str(ann.public_id),
        "change": "assigned",
        "before": None,
        "after": None,
        "cause": "manual",
        "at": every[-1]["at"],
    }


@time_machine.travel(NOW, tick=False)
def test_a_tag_may_say_how_long_it_lasts():
    TagFactory(key="vip", expires_after_days=30)
    ann, bob = ProfileFactory(), ProfileFactory()
    api = api_of("operator")

    api.send("post", "tags/vip/assignments/", {"profiles": [str(ann.public_id)]})
    api.send("post", "tags/vip/assignments/", {"profiles": [str(bob.public_id)], "expires_at": None})

    ends = dict(TagAssignment.objects.values_list("profile", "expires_at"))
    assert ends == {ann.pk: NOW + timedelta(days=30), bob.pk: None}


def test_values_come_in_pages_in_their_order_and_are_found():
    card = TagFactory(key="card")
    for position, key in enumerate(("iron", "gold", "silver")):
        TagValueFactory(tag=card, key=key, name=key.title(), position=position)
    TagValueFactory(key="other")
    api = api_of("viewer")

    first = api.send("get", "tags/card/values/?page_size=2").json()
    rest = api.get(first["next"]).json()["results"]
    found = api.send("get", "tags/card/values/?search=OL").json()["results"]

    assert [each["key"] for each in first["results"]] == ["iron", "gold"]
    assert rest == [{"key": "silver", "name": "Silver", "rule": None}]
    assert [each["key"] for each in found] == ["gold"]
    assert api.send("get", "tags/none/values/").status_code == 404
