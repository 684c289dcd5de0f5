"""The list of those not written to, over HTTP."""

import json

import pytest
from django.contrib.admin.models import LogEntry

from campaigns.models import Delivery, Suppression
from campaigns.services.deliver import deliver_due
from profiles.masking import MASK
from tests.clients import api_of
from tests.factories.campaigns import DeliveryFactory, ReachableFactory, SuppressionFactory

pytestmark = pytest.mark.django_db
BODY = {"kind": "phone", "value": "138 0013 8000", "channel": "sms", "reason": "asked by phone"}


def audited():
    entries = LogEntry.objects.order_by("pk").values_list("object_repr", "change_message")
    return [(row, json.loads(message)[0]["values"]) for row, message in entries]


def test_an_address_is_kept_in_its_one_spelling_and_once():
    api = api_of("operator")

    first, again = (api.send("post", "suppressions/", BODY) for _time in range(2))

    suppression = Suppression.objects.get()
    assert (first.status_code, again.status_code) == (201, 200)
    assert (
        first.json()
        == again.json()
        == BODY
        | {
            "id": suppression.pk,
            "value": "+8613800138000",
            "source": None,
            "user": suppression.user.username,
            "created_at": suppression.created_at.isoformat().replace("+00:00", "Z"),
        }
    )
    assert audited() == [
        (f"#{suppression.pk}", {"kind": [None, "phone"], "channel": [None, "sms"], "reason": [None, "asked by phone"]})
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "carte"}, "kind"),
        ({"value": "12"}, "value"),
        ({"channel": "fax"}, "channel"),
        ({"reason": "  "}, "reason"),
        ({"reason": "x" * 201}, "reason"),
    ],
    ids=["kind", "value", "channel", "no reason", "long reason"],
)
def test_what_is_wrong_is_named_and_nothing_is_written(change, field):
    response = api_of("operator").send("post", "suppressions/", BODY | change)

    assert response.status_code == 400
    assert [error["path"] for error in response.json()["errors"]] == [field]
    assert not Suppression.objects.exists()


def test_a_suppressed_address_gets_nothing_until_it_is_taken_off_the_list(now):
    api, profile = api_of("privacy_officer"), ReachableFactory(email="ann@example.com")
    told = api.send("post", "suppressions/", {"kind": "email", "value": "Ann@Example.com", "reason": "bounced"})
    first = DeliveryFactory(profile=profile, not_before=now)
    deliver_due(now=now)

    gone = api.send("delete", f"suppressions/{told.json()['id']}/", {"reason": "moved to a new server"})
    second = DeliveryFactory(profile=profile, not_before=now)
    deliver_due(now=now)

    first.refresh_from_db()
    second.refresh_from_db()
    assert gone.status_code == 204
    assert (first.state, first.reason, first.detail) == ("suppressed", Delivery.Reason.SUPPRESSED, "bounced")
    assert second.state == "sent"
    assert [values["reason"] for _row, values in audited()] == [[None, "bounced"], ["bounced", "moved to a new server"]]


def test_nobody_is_taken_off_the_list_without_a_reason():
    suppression = SuppressionFactory()

    answers = [
        api_of("operator").send("delete", f"suppressions/{suppression.pk}/", body) for body in ({}, {"reason": " "})
    ]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert Suppression.objects.exists()


def test_the_list_is_filtered_and_an_address_found_as_it_is_written():
    mine = SuppressionFactory(value="ann@example.com", channel="email")
    SuppressionFactory(kind_key="phone", value="+8613800138000")
    api = api_of("integration")

    found = {
        query: [row["value"] for row in api.send("get", f"suppressions/?{query}").json()["results"]]
        for query in ("value=ANN@example.com", "value=13800138000", "kind=phone", "channel=email", "value=bob@x.com")
    }

    assert found == {
        "value=ANN@example.com": [mine.value],
        "value=13800138000": ["+8613800138000"],
        "kind=phone": ["+8613800138000"],
        "channel=email": [mine.value],
        "value=bob@x.com": [],
    }


def test_a_viewer_sees_that_there_are_some_and_not_whose():
    SuppressionFactory(value="ann@example.com", reason="ann@example.com bounced")
    api = api_of("viewer")

    row = api.send("get", "suppressions/").json()["results"][0]

    assert (row["value"], row["reason"]) == (MASK, MASK)
    assert api.send("get", "suppressions/?value=ann@example.com").status_code == 403


def test_a_list_takes_a_fixed_number_of_queries(django_assert_num_queries):
    SuppressionFactory.create_batch(3)
    api = api_of("operator")

    with django_assert_num_queries(4):
        api.send("get", "suppressions/")
