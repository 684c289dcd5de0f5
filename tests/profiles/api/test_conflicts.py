"""`conflicts/`."""

import pytest
from django.contrib.admin.models import LogEntry
from django.db import transaction

from cdp.locks import advisory_lock
from cdp.roles import INTEGRATION, OPERATOR, VIEWER
from profiles.models import Identifier, IdentityConflict
from tests.clients import api_of
from tests.elsewhere import Elsewhere
from tests.factories.profiles import ConflictFactory, IdentifierFactory, SourceFactory

pytestmark = pytest.mark.django_db


def test_a_conflict_names_both_sides_and_why():
    conflict = ConflictFactory(anchor__value="b", left_out__value="device", source__key="shop", message_id="m1")

    found = api_of(OPERATOR).send("get", f"conflicts/{conflict.pk}/").json()

    assert found == {
        "id": conflict.pk,
        "state": "open",
        "reason": "limit",
        "kind": "user_id",
        "kept": {"kind": "user_id", "value": "b", "profile": str(conflict.anchor.profile.public_id)},
        "left_out": {
            "kind": "anonymous_id", "value": "device", "profile": str(conflict.left_out.profile.public_id),
        },
        "source": "shop",
        "message_id": "m1",
        "n_messages": 1,
        "first_at": "2026-01-01T00:00:00Z",
        "last_at": "2026-01-01T00:00:00Z",
        "note": "",
        "decided_by": None,
        "decided_at": None,
    }  # fmt: skip


def test_viewers_see_no_personal_value_and_no_note():
    conflict = ConflictFactory(anchor__value="b", note="Ann")

    found = api_of(VIEWER).send("get", f"conflicts/{conflict.pk}/").json()

    assert (found["kept"]["value"], found["note"]) == ("•••", "•••")


def test_the_list_is_filtered_and_takes_the_same_queries_for_many(django_assert_num_queries):
    shop = SourceFactory(key="shop")
    ConflictFactory(state="dismissed")
    api = api_of(OPERATOR)
    for n_rows in (1, 20):
        ConflictFactory.create_batch(n_rows, source=shop)
        with django_assert_num_queries(6):
            found = api.send("get", "conflicts/?state=open&source=shop&kind=user_id&reason=limit").json()["results"]
    assert len(found) == 21


@pytest.mark.parametrize("name", ["kind", "source", "state", "reason"])
def test_a_filter_of_what_does_not_exist_is_refused(name):
    ConflictFactory()

    answer = api_of(OPERATOR).send("get", f"conflicts/?{name}=nope")

    assert answer.status_code == 400
    assert name in answer.json()["errors"][0]["path"]


def test_a_conflict_is_dismissed_once_and_opened_again():
    conflict, api = ConflictFactory(), api_of(INTEGRATION)

    dismissed = api.send("post", f"conflicts/{conflict.pk}/dismiss/", {"note": "A couple."})
    again = api.send("post", f"conflicts/{conflict.pk}/dismiss/", {})
    reopened = api.send("post", f"conflicts/{conflict.pk}/reopen/")

    assert (dismissed.status_code, dismissed.json()["state"], dismissed.json()["note"]) == (
        200, "dismissed", "A couple."
    )  # fmt: skip
    assert dismissed.json()["decided_by"].startswith("token-")
    assert (again.status_code, again.json()["detail"]) == (409, "This conflict is in that state already.")
    assert reopened.json()["state"] == "open"


@pytest.mark.parametrize("path", ["conflicts/0/", "conflicts/999999999999999999/"])
def test_a_conflict_that_is_none(path):
    assert api_of(OPERATOR).send("get", path).status_code == 404


def test_many_are_dismissed_in_one_request_and_once():
    first, second = ConflictFactory.create_batch(2)
    settled, other = ConflictFactory(state="settled"), ConflictFactory()
    api, body = api_of(INTEGRATION), {"ids": [first.pk, second.pk, settled.pk, second.pk, 10**15], "note": "Kiosk"}

    done = api.send("post", "conflicts/dismiss/", body)
    again = api.send("post", "conflicts/dismiss/", {**body, "note": "Again"})

    assert (done.status_code, done.json()) == (200, {"dismissed": 2, "unchanged": 1, "unknown": [10**15]})
    assert again.json() == {"dismissed": 0, "unchanged": 3, "unknown": [10**15]}
    rows = IdentityConflict.objects.order_by("pk").values_list("pk", "state", "note")
    assert list(rows) == [
        (first.pk, "dismissed", "Kiosk"), (second.pk, "dismissed", "Kiosk"), (settled.pk, "settled", ""),
        (other.pk, "open", ""),
    ]  # fmt: skip
    assert LogEntry.objects.count() == 2


@pytest.mark.parametrize(
    "body",
    [{}, {"ids": []}, {"ids": ["x"]}, {"ids": [0]}, {"ids": [10**18]}, {"ids": list(range(1, 1002))}, {"all": True},
     {"ids": [1], "note": "x" * 501}],
    ids=["none", "empty", "text", "zero", "large", "many", "unknown", "note"],
)  # fmt: skip
def test_what_cannot_be_dismissed_is_refused(body):
    ConflictFactory()

    assert api_of(OPERATOR).send("post", "conflicts/dismiss/", body).status_code == 400
    assert IdentityConflict.objects.get().state == "open"


def test_the_list_is_filtered_by_an_identifier_on_either_side():
    kiosk = IdentifierFactory(kind_key="anonymous_id", value="KIOSK-1")
    left, kept = ConflictFactory(left_out=kiosk), ConflictFactory(anchor=kiosk)
    ConflictFactory()
    api = api_of(OPERATOR)

    found = api.send("get", "conflicts/?identifier=anonymous_id:KIOSK-1&state=open").json()["results"]

    assert [each["id"] for each in found] == [kept.pk, left.pk]
    assert api.send("get", "conflicts/?identifier=anonymous_id:KIOSK-2").json()["results"] == []
    assert api.send("get", "conflicts/?identifier=KIOSK-1").status_code == 400
    assert api_of(VIEWER).send("get", "conflicts/?identifier=anonymous_id:KIOSK-1").status_code == 403


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("way", ["dismiss", "merge", "move"])
def test_a_conflict_that_goes_while_it_is_decided_is_told_of(way):
    conflict, api, answers = ConflictFactory(), api_of(OPERATOR), []

    with transaction.atomic():
        advisory_lock("identity")
        IdentityConflict.objects.all().delete()
        Identifier.objects.filter(pk=conflict.left_out_id).delete()
        asked = Elsewhere(lambda: answers.append(api.send("post", f"conflicts/{conflict.pk}/{way}/", {})))
        assert asked.come_as_far_as_it_can(), "it waits for nobody"
    asked.finish()

    (answer,) = answers
    assert (answer.status_code, "is there no more" in answer.json()["detail"]) == (409, True)
