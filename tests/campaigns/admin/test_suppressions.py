"""The page of those not written to."""

import pytest

from campaigns.models import Suppression
from profiles.models import IdentifierKind
from tests.factories.campaigns import SuppressionFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
LIST = "/admin/campaigns/suppression/"


def form(**changes):
    kind = IdentifierKind.objects.get(key="email").pk
    return {"kind": kind, "value": "Ann@Example.com", "channel": "", "reason": "asked by phone"} | changes


def test_an_address_is_added_and_taken_off_with_a_reason():
    client = sign_in("operator", language="en")

    added = client.post(f"{LIST}add/", form(), follow=True).content.decode()
    suppression = Suppression.objects.get()
    asked = client.post(f"{LIST}{suppression.pk}/delete/", {"reason": ""}).content.decode()
    still_there = Suppression.objects.exists()
    lifted = client.post(f"{LIST}{suppression.pk}/delete/", {"reason": "a mistake"}, follow=True).content.decode()

    assert (suppression.value, suppression.channel, suppression.reason) == ("ann@example.com", "", "asked by phone")
    assert "Nothing is sent to this address any more." in added
    assert "This field is required." in asked
    assert still_there
    assert "The address may be written to again." in lifted
    assert not Suppression.objects.exists()


def test_what_is_no_address_is_said_beside_the_field():
    answer = sign_in("operator", language="en").post(f"{LIST}add/", form(value="ann"))

    assert answer.context["form"].errors == {"value": ["is not of the kind Email"]}
    assert not Suppression.objects.exists()


def test_by_hand_an_address_of_a_file_stays_when_the_import_is_taken_back():
    suppression = SuppressionFactory(value="ann@example.com", import_id=7, reason="list")

    sign_in("operator").post(f"{LIST}add/", form())

    suppression.refresh_from_db()
    assert (suppression.import_id, suppression.reason) == (None, "list")


def test_the_search_finds_the_whole_address_for_those_who_may_see_it():
    suppression = SuppressionFactory(value="ann@example.com")

    found = {
        (role, query): list(sign_in(role).get(LIST, {"q": query}).context["cl"].result_list)
        for role in ("operator", "viewer")
        for query in ("ANN@example.com", "ann@")
    }

    assert found == {
        ("operator", "ANN@example.com"): [suppression],
        ("operator", "ann@"): [],
        ("viewer", "ANN@example.com"): [],
        ("viewer", "ann@"): [],
    }


@pytest.mark.parametrize("role", ["viewer", "campaign_manager"])
def test_who_may_not_see_addresses_changes_nothing(role):
    suppression, client = SuppressionFactory(), sign_in(role)

    answers = [
        client.post(f"{LIST}add/", form()),
        client.post(f"{LIST}{suppression.pk}/delete/", {"reason": "x"}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert list(Suppression.objects.all()) == [suppression]


def test_the_history_hides_reasons_from_those_who_may_not_see_addresses():
    sign_in("operator", language="en").post(f"{LIST}add/", form(reason="Zyx Qwv called"))
    path = f"{LIST}{Suppression.objects.get().pk}/history/"

    assert "Zyx Qwv called" in sign_in("operator", language="en").get(path).content.decode()
    assert "Zyx Qwv called" not in sign_in("viewer", language="en").get(path).content.decode()
