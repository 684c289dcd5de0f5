"""Many people put into a segment by hand over HTTP, by a run that is taken back."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from cdp.models import Run
from segments.models import BulkJoining, Membership
from segments.services.joining import put_in, take_back
from tests.clients import api_of
from tests.factories.profiles import IdentifierFactory, ProfileFactory
from tests.factories.segments import MembershipFactory, SegmentFactory, StaticSegmentFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
IN_OSLO = {"op": "attribute", "key": "city", "is": "eq", "value": "Oslo"}
GUESTS = "segments/guests/bulk/"


@pytest.fixture(autouse=True)
def _guests():
    StaticSegmentFactory(key="guests")


def test_a_list_is_put_in_by_a_run_which_is_taken_back(django_assert_num_queries):
    api = api_of("integration")
    ann = IdentifierFactory(kind_key="email", value="ann@example.com").profile
    named = [{"kind": "email", "value": word} for word in ("Ann@example.com", "bo@example.com")]

    queued = api.send("post", GUESTS, {"identifiers": named})
    run = Run.objects.get()
    assert (queued.status_code, queued["Location"]) == (202, f"/api/v1/runs/{run.pk}/")
    assert (queued.json()["kind"], queued.json()["subject"]) == ("join_people", "segment:guests")
    assert api.send("post", f"{GUESTS}undo/", {"run": run.pk}).status_code == 409  # it is under way
    put_in(run, now=NOW)
    Run.objects.filter(pk=run.pk).update(state=Run.State.SUCCEEDED, ended_at=NOW)
    with django_assert_num_queries(5):
        (listed,) = api.send("get", GUESTS).json()["results"]

    assert listed.pop("run")["counts"] == {"joined": 1, "unchanged": 0, "unknown": 1}
    assert listed == {
        "chosen_by": "a list over the API",
        "n_people": 1,
        "n_unknown": 1,
        "unknown": [named[1]],
        "undo": None,
    }
    assert list(Membership.objects.values_list("profile", flat=True)) == [ann.pk]
    undo = api.send("post", f"{GUESTS}undo/", {"run": run.pk}).json()
    take_back(Run.objects.get(pk=undo["id"]), now=NOW)
    assert not Membership.objects.exists()
    assert api.send("post", f"{GUESTS}undo/", {"run": run.pk}).json()["id"] == undo["id"]
    assert api.send("get", GUESTS).json()["results"][0]["undo"]["id"] == undo["id"]


def test_who_may_see_personal_data_sees_who_was_unknown():
    nobody = str(uuid4())
    api_of("operator").send("post", GUESTS, {"profiles": [str(ProfileFactory().public_id), nobody]})

    seen = {role: api_of(role).send("get", GUESTS).json()["results"][0] for role in ("operator", "viewer")}

    assert (seen["operator"]["unknown"], seen["viewer"]["unknown"]) == ([nobody], None)


def test_people_are_chosen_by_a_segment_or_a_rule():
    member = MembershipFactory(segment__key="loyal").profile
    resident = ProfileFactory(attributes={"city": "Oslo"})
    api = api_of("operator")

    api.send("post", GUESTS, {"segment": "loyal"})
    api.send("post", GUESTS, {"rule": IN_OSLO})

    found = list(BulkJoining.objects.order_by("pk").values_list("chosen_by", "profile_ids"))
    assert found == [("segment loyal", [member.pk]), ("a rule", [resident.pk])]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, ""),
        ({"segment": "loyal", "rule": IN_OSLO}, ""),
        ({"segment": "none"}, "key"),
        ({"rule": {"op": "wish"}}, "op"),
        ({"profiles": []}, "profiles"),
        ({"profiles": [str(uuid4())]}, ""),
        ({"identifiers": [{"kind": "mail", "value": "x"}]}, "identifiers[0].kind"),
        ({"segment": "loyal", "colour": "red"}, "colour"),
    ],
    ids=["nothing", "two", "segment", "rule", "empty", "nobody", "kind", "unknown"],
)
def test_bad_input_says_where_and_queues_nothing(body, path):
    SegmentFactory(key="loyal")

    answer = api_of("operator").send("post", GUESTS, body)

    assert answer.status_code == 400
    assert [error["path"] for error in answer.json()["errors"]] == [path]
    assert not Run.objects.exists()


def test_a_segment_by_rule_is_filled_by_no_hand_and_another_segments_run_is_not_its_own():
    SegmentFactory(key="oslo")
    StaticSegmentFactory(key="press")
    api = api_of("operator")
    body = {"profiles": [str(ProfileFactory().public_id)]}
    run = api.send("post", "segments/press/bulk/", body).json()["id"]

    assert api.send("post", "segments/oslo/bulk/", body).status_code == 409
    answer = api.send("post", f"{GUESTS}undo/", {"run": run})
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, "run")
