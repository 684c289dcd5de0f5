"""What collecting answers: to websites, to what it does not take, and while it cannot take anything."""

import time

import pytest
from django.db import OperationalError

from profiles.models import InboxMessage
from tests.factories.profiles import SourceFactory
from tests.profiles.api.collecting import SHORT, basic, cors_of, post
from tests.profiles.ingest.messages import track
from tests.standing_clock import set_rate_clock

pytestmark = pytest.mark.django_db
PATHS = [
    *("/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch", "/v1/m"),
    *(f"/v1/{name}" for pair in SHORT.items() for name in pair),
    *("/v1/projects/WK/settings", "/sourceConfig"),
]


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", PATHS)
def test_a_preflight_allows_what_it_asks_for(client, path, slash):
    asked = "anonymousid,authorization,content-type,sentat,x-retry-count"
    response = client.options(
        path + slash,
        headers={
            "Origin": "https://shop.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": asked,
        },
    )

    assert (response.status_code, response.content) == (204, b"")
    assert cors_of(response) == {
        "Access-Control-Allow-Origin": "https://shop.example",
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
        "Access-Control-Allow-Headers": asked,
        "Access-Control-Max-Age": "7200",
    }
    assert "Origin" in response["Vary"]


@pytest.mark.parametrize(("key", "status"), [("WK", 200), ("wrong", 401)])
def test_a_website_may_read_success_and_error_alike(client, shop, key, status):
    response = post(client, "/v1/batch", {"batch": []}, Authorization=basic(key), Origin="https://shop.example")

    assert response.status_code == status
    assert cors_of(response) == {
        "Access-Control-Allow-Origin": "https://shop.example",
        "Access-Control-Allow-Credentials": "true",
    }
    assert "Origin" in response["Vary"]


def test_who_is_no_website_gets_no_cors_headers(client, shop):
    assert cors_of(post(client, "/v1/batch", {"batch": []}, Authorization=basic("WK"))) == {}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/batch", "POST"),
        ("PUT", "/v1/t", "POST"),
        ("POST", "/sourceConfig/", "GET"),
        ("POST", "/v1/projects/WK/settings", "GET"),
    ],
)
def test_another_method_is_405_with_code_and_message(client, shop, method, path, allowed):
    response = client.generic(method, path)

    assert (response.status_code, response["Allow"]) == (405, f"{allowed}, OPTIONS")
    assert response.json() == {"code": "method_not_allowed", "message": f"This path takes {allowed}."}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/v1/tracks", "/v1/", "/beacon/v1/track", "/v1/projects/WK"])
def test_an_unknown_path_is_404_with_code_and_message(client, shop, method, path):
    response = client.generic(method, path)

    assert response.status_code == 404
    assert response.json() == {"code": "unknown_path", "message": "Nothing is collected at this path."}


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track/", "/beacon/v1/batch", "/v1/nothing", "/sourceConfig/"])
def test_a_host_that_is_not_ours_is_400_with_code_and_message(client, shop, path):
    """Without these the Python SDK of RudderStack sends it again ten times, and a page sees only a broken network."""
    body = {"batch": [track("Viewed", user="u1")], "writeKey": "WK"}

    response = post(client, path, body, host="elsewhere.example", origin="https://shop.example")

    said = {"code": "unknown_host", "message": "The host name is neither that of PUBLIC_URL nor in ALLOWED_HOSTS."}
    assert (response.status_code, response.json()) == (400, said)
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"
    assert not InboxMessage.objects.exists()


def test_a_host_that_is_not_ours_hears_of_it_in_words_of_oauth_where_tokens_are_made(client):
    response = client.post("/token", headers={"host": "elsewhere.example"})

    assert response.status_code == 400
    assert response.json()["error"] == "unknown_host"


def test_while_the_database_is_away_a_client_is_told_to_come_later(client, shop, monkeypatch):
    def is_away(*args, **kwargs):
        raise OperationalError("connection refused")

    monkeypatch.setattr("profiles.api.collect.accept_messages", is_away)

    response = post(client, "/v1/batch", {"batch": []}, Authorization=basic("WK"), Origin="https://shop.example")

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert response.json() == {"code": "unavailable", "message": "Nothing can be stored now. Try again later."}
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"


@pytest.mark.parametrize("path", ["/v1/batch", "/token"])
def test_what_nobody_foresaw_says_nothing_of_itself_and_is_logged(client, shop, monkeypatch, caplog, path):
    client.raise_request_exception = False
    for broken in ("accept_messages", "read_form"):
        monkeypatch.setattr(f"profiles.api.collect.{broken}", lambda *args, **how: 1 / 0)

    response = post(client, path, {"batch": []}, Authorization=basic("WK"), Origin="https://shop.example")

    assert response.status_code == 500
    assert sorted(response.json().values()) == ["Something went wrong here. Try again later.", "error"]
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "ZeroDivisionError" in caplog.text


def test_a_source_over_its_rate_is_told_when_to_come_again(client, monkeypatch):
    set_rate_clock(monkeypatch, 1_000_000)
    SourceFactory(write_key="SLOW", max_messages_per_second=10)
    SourceFactory(write_key="WK")
    batch = {"batch": [track("Viewed", user="u1") for _ in range(150)]}
    assert post(client, "/v1/batch", batch, Authorization=basic("SLOW")).status_code == 200

    response = post(client, "/v1/track", {}, Authorization=basic("SLOW"), Origin="https://shop.example")

    assert (response.status_code, response["Retry-After"]) == (429, "5")
    assert response.json() == {"code": "too_many", "message": "This source may send 10 messages a second."}
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"
    assert InboxMessage.objects.count() == 150
    assert post(client, "/v1/batch", batch, Authorization=basic("WK")).status_code == 200


def test_without_the_cache_no_source_is_limited(client, monkeypatch):
    SourceFactory(write_key="SLOW", max_messages_per_second=1)
    monkeypatch.setattr("cdp.throttle._away_until", time.monotonic() + 60)

    for _ in range(20):
        assert post(client, "/v1/track", {"userId": "u1"}, Authorization=basic("SLOW")).status_code == 200
    assert InboxMessage.objects.count() == 20
