"""`identifier-kinds/`."""

import pytest

from cdp.roles import OPERATOR, VIEWER
from profiles.models import IdentifierKind
from tests.clients import api_of
from tests.factories.profiles import IdentifierFactory

pytestmark = pytest.mark.django_db


def keys():
    return list(IdentifierKind.objects.values_list("key", flat=True))


def test_a_kind_is_made_read_changed_and_deleted():
    api = api_of(OPERATOR)

    made = api.send("post", "identifier-kinds/", {"key": "till_id", "label": "Till id", "normaliser": "card"})
    changed = api.send("patch", "identifier-kinds/till_id/", {"limit_per_profile": 2, "blocked_values": ["a-1"]})
    gone = api.send("delete", "identifier-kinds/till_id/")

    assert (made.status_code, made.json()) == (
        201,
        {
            "key": "till_id", "label": "Till id", "normaliser": "card", "limit_per_profile": None, "priority": 70,
            "is_personal": True, "blocked_values": [], "is_built_in": False,
        },
    )  # fmt: skip
    assert changed.json() == {**made.json(), "limit_per_profile": 2, "blocked_values": ["A1"]}
    assert gone.status_code == 204
    assert "till_id" not in keys()


def test_the_list_is_in_the_order_of_priority_in_few_queries(django_assert_num_queries):
    api = api_of(VIEWER)

    with django_assert_num_queries(4):
        found = api.send("get", "identifier-kinds/").json()["results"]

    assert [kind["key"] for kind in found] == keys()


def test_what_is_wrong_is_named_by_field():
    IdentifierFactory(kind_key="email")

    answer = api_of(OPERATOR).send("patch", "identifier-kinds/email/", {"normaliser": "text", "priority": 40})

    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"path": "normaliser", "message": "The normaliser of a built-in kind cannot be changed."},
        {"path": "priority", "message": "40 is the priority of phone."},
    ]


@pytest.mark.parametrize("key", ["email", "till_id"])
def test_a_kind_that_is_needed_stays(key):
    if key == "till_id":
        IdentifierKind.objects.create(key=key, label="Till id", normaliser="text", priority=5)
        IdentifierFactory(kind_key=key)

    answer = api_of(OPERATOR).send("delete", f"identifier-kinds/{key}/")

    assert answer.status_code == 409
    assert key in keys()


def test_all_kinds_are_put_in_order():
    wanted = [*keys()[1:], "user_id"]

    answer = api_of(OPERATOR).send("post", "identifier-kinds/order/", {"kinds": wanted})

    assert [kind["key"] for kind in answer.json()] == wanted == keys()


def test_an_order_that_forgets_one_is_refused():
    before = keys()

    answer = api_of(OPERATOR).send("post", "identifier-kinds/order/", {"kinds": before[1:]})

    assert answer.json()["errors"] == [{"path": "kinds", "message": "Name each kind once; look at: user_id."}]
    assert keys() == before


@pytest.mark.parametrize(("role", "shown"), [(VIEWER, ["•••"]), (OPERATOR, ["+8613800138000"])])
def test_blocked_values_are_masked(role, shown):
    IdentifierKind.objects.filter(key="phone").update(blocked_values=["+8613800138000"])

    assert api_of(role).send("get", "identifier-kinds/phone/").json()["blocked_values"] == shown
