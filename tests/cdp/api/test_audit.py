"""Who changes what over the API leaves an entry: who, when, before, after."""

import json

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry

from cdp.models import ApiToken
from cdp.roles import OPERATOR
from profiles.models import IdentifierKind, Source
from tests.clients import api_of
from tests.factories.profiles import SourceFactory
from tests.factories.segments import SegmentFactory

pytestmark = pytest.mark.django_db


def entries():
    """Flag, thing and values of each entry, in order."""
    return [
        (entry.action_flag, entry.object_repr, json.loads(entry.change_message)[0].get("values"))
        for entry in LogEntry.objects.order_by("pk")
    ]


def test_a_kind_is_made_changed_and_deleted_by_somebody():
    api = api_of(OPERATOR)

    api.send("post", "identifier-kinds/", {"key": "till_id", "label": "Till id", "normaliser": "card"})
    api.send("patch", "identifier-kinds/till_id/", {"limit_per_profile": 2, "blocked_values": ["a-1"]})
    api.send("delete", "identifier-kinds/till_id/")

    made, changed, gone = entries()
    assert made == (
        ADDITION,
        "till_id",
        {
            "key": [None, "till_id"], "label": [None, "Till id"], "normaliser": [None, "card"], "priority": [None, 70],
            "is_personal": [None, True], "blocked_values": [None, []],
        },
    )  # fmt: skip
    assert changed == (CHANGE, "till_id", {"limit_per_profile": [None, 2], "blocked_values": [[], ["A1"]]})
    assert (gone[0], gone[2]["limit_per_profile"]) == (DELETION, [2, None])
    token = ApiToken.objects.get()
    assert set(LogEntry.objects.values_list("user", flat=True)) == {token.user_id}
    assert [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")] == [
        "Added.", "Changed limit per profile and blocked values.", "Deleted identifier kind “till_id”.",
    ]  # fmt: skip


def test_what_is_refused_or_changes_nothing_leaves_no_entry():
    api = api_of(OPERATOR)

    refused = api.send("patch", "identifier-kinds/email/", {"normaliser": "text"})
    same = api.send("patch", "identifier-kinds/email/", {"limit_per_profile": None})

    assert (refused.status_code, same.status_code) == (400, 200)
    assert entries() == []


def test_an_order_of_kinds_names_each_that_moved():
    keys = list(IdentifierKind.objects.values_list("key", flat=True))

    api_of(OPERATOR).send("post", "identifier-kinds/order/", {"kinds": [keys[1], keys[0], *keys[2:]]})

    assert [(name, values) for _flag, name, values in entries()] == [
        (keys[1], {"priority": [20, 10]}),
        (keys[0], {"priority": [10, 20]}),
    ]


def test_a_write_key_is_never_in_it():
    source = SourceFactory(key="shop", name="Shop")
    api = api_of(OPERATOR)

    api.send("patch", "sources/shop/", {"name": "Store"})
    api.send("patch", "sources/shop/", {"rank": 150})  # answered by a run
    api.send("post", "sources/shop/write-key/", {"grace_hours": 1})

    assert [values for _flag, _name, values in entries()] == [
        {"name": ["Shop", "Store"]}, {"rank": [100, 150]}, None,
    ]  # fmt: skip
    kept = "".join(LogEntry.objects.values_list("change_message", flat=True))
    assert source.write_key not in kept
    assert Source.objects.get(key="shop").write_key not in kept


def test_a_request_sent_twice_is_one_entry():
    SegmentFactory(key="north", name="North")
    api = api_of(OPERATOR)
    body = {"key": "tag-1", "name": "Tag", "kind": "manual"}

    for _time in range(2):
        assert api.send("post", "tags/", body, Idempotency_Key="k1").status_code == 201
    api.send("patch", "segments/north/", {"name": "Far north"})

    assert [(flag, name) for flag, name, _values in entries()] == [(ADDITION, "Tag"), (CHANGE, "Far north")]
    assert entries()[1][2] == {"name": ["North", "Far north"]}


def test_definitions_leave_entries_too():
    api = api_of(OPERATOR)

    api.send("patch", "attributes/city/", {"label": "Town", "survivorship": "first"})
    api.send("post", "events/", {"name": "Order / paid", "label": "Paid"})
    api.send("patch", "events/Order / paid/", {"schema": {"type": "object"}})

    attribute, made, changed = entries()
    assert attribute[2]["survivorship"] == ["most_recent", "first"]
    assert made[2]["name"] == [None, "Order / paid"]
    assert changed[2] == {"schema": [None, {"type": "object"}]}
