"""Signing in by OAuth over HTTP, as Segment's SDKs do it."""

import time
from datetime import timedelta
from urllib.parse import urlencode
from uuid import uuid4

import jwt
import pytest
import time_machine
from django.db import OperationalError
from django.utils import timezone

from profiles.api.write_keys import forget_sources
from profiles.models import InboxMessage, Source
from profiles.services.oauth import ASSERTION_TYPE, TOKEN_SECONDS
from tests.factories.profiles import SourceFactory
from tests.profiles.ingest.messages import track
from tests.rsa_keys import id_of, private_pem, public_pem

pytestmark = pytest.mark.django_db
AUDIENCE = "https://cdp.example.com"


@pytest.fixture(autouse=True)
def public_url(settings):
    settings.PUBLIC_URL = AUDIENCE + "/"


@pytest.fixture
def till():
    return SourceFactory(key="till", write_key="WK", oauth_public_keys=public_pem(0))


def assertion(*, number=0, key=private_pem, algorithm="RS256", kid=None, **claims):
    now = int(time.time())
    said = {"iss": "till", "sub": "till", "aud": AUDIENCE, "iat": now - 5, "exp": now + 55, "jti": str(uuid4())}
    left = {name: value for name, value in (said | claims).items() if value is not None}
    return jwt.encode(left, key(number), algorithm=algorithm, headers={"kid": kid or id_of(number)})


def ask(client, signed, path="/token", **form):
    fields = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signed,
        "scope": "tracking_api:write",
    }
    left = {name: value for name, value in (fields | form).items() if value is not None}
    return client.generic("POST", path, urlencode(left), "application/x-www-form-urlencoded")


def token_of(client, **signed):
    return ask(client, assertion(**signed)).json()["access_token"]


def send(client, token, body=None):
    body = {"batch": [track("Viewed", user="u1")], **(body or {})}
    return client.post("/v1/batch", body, "application/json", headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("path", ["/token", "/token/"])
def test_who_proves_that_he_has_the_key_gets_a_token_that_collects_for_the_source(client, till, path):
    SourceFactory(write_key="OTHER")

    answer = ask(client, assertion(), path)
    said = answer.json()
    sent = send(client, said["access_token"], {"writeKey": "OTHER"})

    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert said == {
        "access_token": said["access_token"],
        "token_type": "Bearer",
        "expires_in": 600,
        "scope": "tracking_api:write",
    }
    assert (sent.status_code, sent.json()) == (200, {"success": True})
    assert list(InboxMessage.objects.values_list("source", flat=True)) == [till.pk]


def test_the_scope_need_not_be_named(client, till):
    assert ask(client, assertion(), scope=None).status_code == 200


@pytest.mark.parametrize(
    ("signed", "status", "error", "description"),
    [
        ({"iss": "shop"}, 401, "invalid_client", "unknown client id or key id"),
        ({"kid": "wrong"}, 401, "invalid_client", "unknown client id or key id"),
        ({"kid": "0", "number": 1}, 401, "invalid_client", "unknown client id or key id"),
        ({"iss": "a\0b"}, 401, "invalid_client", "unknown client id or key id"),
        ({"iss": "\ud800"}, 401, "invalid_client", "unknown client id or key id"),
        ({"exp": "9000000000"}, 400, "invalid_request", "an assertion may be good for 600 seconds"),
        ({"exp": float("inf")}, 401, "invalid_client", "client_assertion"),
        ({"key": lambda number: private_pem(1)}, 401, "invalid_client", "Signature verification failed"),
        ({"algorithm": "RS512"}, 401, "invalid_client", "alg value"),
        ({"algorithm": "HS256", "key": lambda number: "x" * 64}, 401, "invalid_client", "alg value"),
        ({"algorithm": "none", "key": lambda number: None}, 401, "invalid_client", "alg value"),
        ({"aud": "https://oauth2.segment.io"}, 401, "invalid_client", "udience"),
        ({"sub": "shop"}, 401, "invalid_client", "subject"),
        ({"jti": None}, 401, "invalid_client", "jti"),
        ({"exp": None}, 401, "invalid_client", "exp"),
        ({"exp": 1_000_000_000}, 400, "invalid_request", "Token is expired"),
        ({"iat": 9_000_000_000, "exp": 9_000_000_001}, 400, "invalid_request", "Token used before issued"),
        ({"exp": 9_000_000_000}, 400, "invalid_request", "an assertion may be good for 600 seconds"),
    ],
)
def test_an_assertion_that_proves_nothing_is_refused_with_the_reason(client, till, signed, status, error, description):
    answer = ask(client, assertion(**signed))

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert description in answer.json()["error_description"]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": None}, "unsupported_grant_type"),
        ({"client_assertion_type": "saml"}, "invalid_request"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"client_assertion": "no.jwt"}, "invalid_client"),
        ({"client_assertion": None}, "invalid_client"),
    ],
)
def test_a_request_that_is_none_is_refused(client, till, form, error):
    answer = ask(client, assertion(), **form)

    assert (answer.status_code, answer.json()["error"]) == (401 if error == "invalid_client" else 400, error)


@pytest.mark.parametrize(
    ("raw", "status"), [(b"a" * 17_000, 413), (b"&".join([b"a=1"] * 30), 400), (b"\xff\xfe", 400), (b"", 400)]
)
def test_a_body_that_is_no_form_is_refused_as_oauth_says_it(client, raw, status):
    answer = client.generic("POST", "/token", raw)

    assert answer.status_code == status
    assert answer.json().keys() == {"error", "error_description"}


def test_another_method_and_a_database_away_are_said_as_oauth_says_it(client, monkeypatch):
    def is_away(form):
        raise OperationalError("connection refused")

    monkeypatch.setattr("profiles.api.collect.issue_token", is_away)

    for answer, status in ((client.get("/token"), 405), (ask(client, ""), 503)):
        assert answer.status_code == status
        assert answer.json().keys() == {"error", "error_description"}


def test_an_assertion_counts_once(client, till):
    signed = assertion()

    assert ask(client, signed).status_code == 200
    again = ask(client, signed)
    assert (again.status_code, again.json()["error_description"]) == (400, "the assertion was used before")
    assert ask(client, assertion()).status_code == 200


def test_without_the_cache_a_program_signs_in_all_the_same(client, till, monkeypatch):
    monkeypatch.setattr("cdp.throttle._away_until", time.monotonic() + 60)

    assert ask(client, assertion()).status_code == 200


def test_a_token_whose_time_is_over_is_511_so_that_the_sdk_signs_in_again_and_loses_nothing(client, till):
    with time_machine.travel(timezone.now() - timedelta(seconds=TOKEN_SECONDS + 60)):
        token = token_of(client)

    answer = send(client, token)

    assert (answer.status_code, answer.json()["code"]) == (511, "token_expired")
    assert not InboxMessage.objects.exists()


@pytest.mark.parametrize("token", ["wrong", "a.b.c", "é", "strata_x"])
def test_any_other_bearer_token_is_401_also_beside_a_good_write_key(client, till, token):
    answer = send(client, token, {"writeKey": "WK"})

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert answer["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert not InboxMessage.objects.exists()


def test_a_changed_token_is_401(client, till):
    token = token_of(client)

    assert send(client, token[:-2] + ("AA" if token[-2:] != "AA" else "BB")).status_code == 401


def test_a_token_ends_with_its_key_but_not_with_another(client):
    SourceFactory(key="till", oauth_public_keys=public_pem(0) + public_pem(1))
    first, second = token_of(client, number=0), token_of(client, number=1)
    assert [send(client, token).status_code for token in (first, second)] == [200, 200]

    Source.objects.filter(key="till").update(oauth_public_keys=public_pem(1))
    forget_sources()

    assert [send(client, token).status_code for token in (first, second)] == [401, 200]
    assert ask(client, assertion(number=0)).status_code == 401


def test_a_disabled_source_gives_no_token_and_takes_none(client, till):
    token = token_of(client)
    assert send(client, token).status_code == 200

    Source.objects.filter(pk=till.pk).update(is_enabled=False)

    assert ask(client, assertion()).status_code == 401
    assert [send(client, token).status_code for _ in range(2)] == [401, 401]


def test_a_token_to_collect_opens_nothing_else(client, till):
    token = token_of(client)

    answer = client.get("/api/v1/profiles/", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 401
