"""`conflicts/`."""

import pytest

from cdp.roles import INTEGRATION, OPERATOR, VIEWER
from tests.clients import api_of
from tests.factories.profiles import ConflictFactory, SourceFactory

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
        with django_assert_num_queries(4):
            found = api.send("get", "conflicts/?state=open&source=shop&kind=user_id&reason=limit").json()["results"]
    assert len(found) == 21


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
