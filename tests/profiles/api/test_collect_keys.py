"""Write keys: where they are looked for, and which are good."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from profiles.models import InboxMessage, RejectedMessage, Source
from tests.factories.profiles import SourceFactory
from tests.profiles.api.collecting import basic, payloads, post
from tests.profiles.ingest.messages import track

pytestmark = pytest.mark.django_db


def test_a_write_key_inside_a_message_of_a_batch_is_not_kept(client, shop):
    """Else who reads a rejected message reads it, and may send in the name of the source."""
    post(client, "/v1/batch", {"batch": [{**track("Viewed", user="u1"), "writeKey": "WK"}, "no message"]})

    (payload,) = payloads()
    assert (payload["event"], "writeKey" in payload) == ("Viewed", False)
    assert RejectedMessage.objects.get().payload == '"no message"'


@pytest.mark.parametrize(
    ("path", "body", "authorization"),
    [
        ("/v1/batch", {"batch": []}, "WK"),
        ("/v1/batch?writeKey=WK", {"batch": []}, ""),
        ("/v1/batch", {"batch": [], "writeKey": "WK"}, ""),
        ("/v1/batch", {"batch": [{"writeKey": "WK"}]}, ""),
        ("/v1/track", {"writeKey": "WK"}, ""),
        ("/v1/batch?writeKey=wrong", {"batch": [], "writeKey": "wrong"}, "WK"),
        ("/v1/batch?writeKey=WK", {"batch": [], "writeKey": "wrong"}, ""),
        ("/v1/batch", {"batch": [{"writeKey": "wrong"}], "writeKey": "WK"}, ""),
        ("/beacon/v1/batch?writeKey=WK", {"batch": []}, ""),
    ],
)
def test_the_write_key_is_looked_for_in_order(client, shop, path, body, authorization):
    headers = {"Authorization": basic(authorization)} if authorization else {}

    assert post(client, path, body, **headers).status_code == 200


@pytest.mark.parametrize(
    "authorization", ["Bearer", "Digest a", "Basic", "Basic Og==", "Basic !", "Basic //79", "Basic é"]
)
def test_basic_without_a_user_leaves_the_write_key_to_the_body(client, shop, authorization):
    response = post(client, "/v1/batch", {"batch": [], "writeKey": "WK"}, Authorization=authorization)

    assert response.status_code == 200


@pytest.mark.parametrize("key", ["", "wrong", "\0", "\ud800", "é", {"a": 1}])
def test_an_unknown_write_key_is_401_and_nothing_is_stored(client, shop, key):
    body = json.dumps({"batch": [track("Viewed", user="u1")], "writeKey": key}).encode()

    response = post(client, "/v1/batch", body)

    assert (response.status_code, response.json()["code"]) == (401, "unknown_write_key")
    assert response.json()["message"]
    assert not InboxMessage.objects.exists()


def test_a_disabled_source_is_401(client):
    SourceFactory(write_key="WK", is_enabled=False)

    assert post(client, "/v1/batch", {"batch": []}, Authorization=basic("WK")).status_code == 401


def test_a_source_collects_nothing_more_from_the_moment_that_it_is_disabled(client, shop):
    batch = {"batch": [track("Viewed", user="u1")]}
    assert post(client, "/v1/batch", batch, Authorization=basic("WK")).status_code == 200

    Source.objects.update(is_enabled=False)  # the web process still knows the key
    statuses = [post(client, "/v1/batch", batch, Authorization=basic("WK")).status_code for _ in range(2)]

    assert statuses == [401, 401]
    assert InboxMessage.objects.count() == 1


def test_a_source_that_was_deleted_meanwhile_is_401(client, shop):
    post(client, "/v1/batch", {"batch": []}, Authorization=basic("WK"))
    Source.objects.filter(pk=shop.pk).delete()

    assert post(client, "/v1/batch", {"batch": [{}]}, Authorization=basic("WK")).status_code == 401
    assert not InboxMessage.objects.exists()


@pytest.mark.parametrize(("good_for", "status"), [(timedelta(minutes=1), 200), (-timedelta(minutes=1), 401)])
def test_a_replaced_key_is_good_until_its_time_is_over(client, good_for, status):
    SourceFactory(write_key="NEW", previous_write_key="OLD", previous_write_key_until=timezone.now() + good_for)

    assert post(client, "/v1/batch", {"batch": []}, Authorization=basic("NEW")).status_code == 200
    assert post(client, "/v1/batch", {"batch": []}, Authorization=basic("OLD")).status_code == status
    assert post(client, "/v1/batch", {"batch": []}, Authorization=basic("")).status_code == 401
