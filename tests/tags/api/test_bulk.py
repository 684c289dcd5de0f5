"""Tagging many people over HTTP."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
import time_machine

from cdp.models import Run
from tags.models import BulkTagging, TagAssignment
from tags.services.bulk import carry_out, take_back
from tags.services.tag import save_tag
from tests.clients import api_of
from tests.factories.profiles import IdentifierFactory, ProfileFactory
from tests.factories.segments import MembershipFactory, SegmentFactory
from tests.factories.tags import TagFactory, TagValueFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
IN_OSLO = {"op": "attribute", "key": "city", "is": "eq", "value": "Oslo"}


@pytest.fixture
def card():
    card = TagFactory(key="card")
    TagValueFactory(tag=card, key="gold")
    return card


def shown(run, **values):
    return {
        "id": run.pk,
        "kind": "tag_people",
        "subject": "tag:card",
        "state": "queued",
        "user": run.user.username,
        "done": 0,
        "total": None,
        "percent": None,
        "counts": {},
        "error": "",
        "can_cancel": True,
        "has_result": False,
        "created_at": run.created_at.isoformat().replace("+00:00", "Z"),
        "started_at": None,
        "ended_at": None,
    } | values


@time_machine.travel(NOW, tick=False)
def test_a_list_is_tagged_by_a_run_which_is_taken_back(card, django_assert_num_queries):
    api = api_of("integration")
    ann = IdentifierFactory(kind_key="email", value="ann@example.com").profile
    named = [{"kind": "email", "value": word} for word in ("Ann@example.com", "bo@example.com")]
    body = {"action": "assign", "identifiers": named, "value": "gold", "expires_at": "2027-01-01T00:00:00Z"}

    queued = api.send("post", "tags/card/bulk/", body)
    run = Run.objects.get()
    assert (queued.status_code, queued["Location"]) == (202, f"/api/v1/runs/{run.pk}/")
    assert queued.json() == shown(run)
    assert api.send("post", "tags/card/bulk/undo/", {"run": run.pk}).status_code == 409  # it is under way
    carry_out(run, now=NOW)
    Run.objects.filter(pk=run.pk).update(state=Run.State.SUCCEEDED, ended_at=NOW)
    with django_assert_num_queries(6):
        (listed,) = api.send("get", "tags/card/bulk/").json()["results"]

    assert listed.pop("run")["counts"] == {"tagged": 1, "unchanged": 0, "unknown": 1}
    assert listed == {
        "action": "assign",
        "value": "gold",
        "expires_at": "2027-01-01T00:00:00Z",
        "chosen_by": "a list over the API",
        "n_people": 1,
        "n_unknown": 1,
        "unknown": [named[1]],
        "undo": None,
    }
    assert list(TagAssignment.objects.values_list("profile", "value__key")) == [(ann.pk, "gold")]
    undo = api.send("post", "tags/card/bulk/undo/", {"run": run.pk}).json()
    take_back(Run.objects.get(pk=undo["id"]), now=NOW)
    assert not TagAssignment.objects.exists()
    assert api.send("post", "tags/card/bulk/undo/", {"run": run.pk}).json()["id"] == undo["id"]


def test_who_may_see_personal_data_sees_who_was_unknown(card):
    nobody = str(uuid4())
    api_of("operator").send(
        "post", "tags/card/bulk/", {"action": "remove", "profiles": [str(ProfileFactory().public_id), nobody]}
    )

    seen = {role: api_of(role).send("get", "tags/card/bulk/").json()["results"][0] for role in ("operator", "viewer")}

    assert (seen["operator"]["unknown"], seen["viewer"]["unknown"]) == ([nobody], None)


def test_people_are_chosen_by_a_segment_or_a_rule():
    TagFactory(key="vip")
    member = MembershipFactory(segment=SegmentFactory(key="loyal")).profile
    ann = ProfileFactory(attributes={"city": "Oslo"})
    api = api_of("operator")

    by_segment = api.send("post", "tags/vip/bulk/", {"action": "assign", "segment": "loyal"})
    by_rule = api.send("post", "tags/vip/bulk/", {"action": "assign", "rule": IN_OSLO})

    assert (by_segment.status_code, by_rule.status_code) == (202, 202)
    found = list(BulkTagging.objects.order_by("pk").values_list("chosen_by", "profile_ids"))
    assert found == [("segment loyal", [member.pk]), ("a rule", [ann.pk])]


def test_the_same_request_again_queues_nothing():
    TagFactory(key="vip")
    body = {"action": "assign", "profiles": [str(ProfileFactory().public_id)]}
    api = api_of("operator")

    first, again = (api.send("post", "tags/vip/bulk/", body, Idempotency_Key="a") for _ in range(2))

    assert first.json() == again.json()
    assert BulkTagging.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "action"),
        ({"action": "assign"}, ""),
        ({"action": "move", "segment": "loyal"}, "action"),
        ({"action": "assign", "segment": "loyal", "rule": IN_OSLO, "value": "gold"}, ""),
        ({"action": "assign", "segment": "none", "value": "gold"}, "key"),
        ({"action": "assign", "rule": {"op": "wish"}, "value": "gold"}, "op"),
        ({"action": "assign", "segment": "loyal"}, "value"),
        ({"action": "assign", "segment": "loyal", "value": "iron"}, "value"),
        ({"action": "assign", "segment": "empty", "value": "gold"}, ""),
        ({"action": "assign", "segment": "loyal", "value": "gold", "expires_at": "2000-01-01T00:00:00Z"}, "expires_at"),
        ({"action": "remove", "segment": "loyal", "value": "iron"}, "value"),
        ({"action": "remove", "segment": "loyal", "expires_at": "2100-01-01T00:00:00Z"}, "expires_at"),
        ({"action": "assign", "profiles": [], "value": "gold"}, "profiles"),
        ({"action": "assign", "identifiers": [{"kind": "mail", "value": "x"}]}, "identifiers[0].kind"),
        ({"action": "assign", "segment": "loyal", "value": "gold", "colour": "red"}, "colour"),
    ],
)
def test_bad_input_says_where_and_queues_nothing(card, body, path):
    MembershipFactory(segment=SegmentFactory(key="loyal"))
    SegmentFactory(key="empty")

    answer = api_of("operator").send("post", "tags/card/bulk/", body).json()

    assert answer["status"] == 400
    assert path in [error["path"] for error in answer["errors"]]
    assert not BulkTagging.objects.exists()


def test_a_tag_by_rule_is_not_given_by_hand():
    TagFactory(key="city", kind="rule", rule=IN_OSLO)
    body = {"action": "assign", "profiles": [str(ProfileFactory().public_id)]}

    assert api_of("operator").send("post", "tags/city/bulk/", body).status_code == 409
    assert api_of("operator").send("post", "tags/city/bulk/undo/", {"run": 1}).status_code == 409
    TagFactory(key="vip")
    assert api_of("operator").send("post", "tags/vip/bulk/undo/", {"run": 1}).json()["errors"][0]["path"] == "run"


def test_a_value_that_is_gone_is_still_named(card):
    api = api_of("operator")
    body = {"action": "assign", "profiles": [str(ProfileFactory().public_id)], "value": "gold"}
    run = api.send("post", "tags/card/bulk/", body).json()["id"]
    Run.objects.update(state=Run.State.SUCCEEDED, ended_at=NOW)
    save_tag(card, values=[])

    assert api.send("get", "tags/card/bulk/").json()["results"][0]["value"] == "gold"
    answer = api.send("post", "tags/card/bulk/undo/", {"run": run})
    name = BulkTagging.objects.get().value_name
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        f"The value “{name}” was deleted: nothing of it can be taken back.",
    )
