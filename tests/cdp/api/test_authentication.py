from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from tests.clients import ApiClient, api_of
from tests.factories.cdp import ApiTokenFactory

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def get_with(header):
    return ApiClient().send("get", "runs/", **({"Authorization": header} if header else {}))


def test_a_token_gives_the_rights_of_its_role():
    assert get_with(f"Bearer {ApiTokenFactory(role='viewer').text}").status_code == 200
    assert get_with(f"Bearer {ApiTokenFactory(role=None).text}").status_code == 403


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer a b", "Basic YTpi", "Bearer strata_unknown", "Bearer 你"])
def test_without_a_known_token_the_answer_is_401_and_says_how(header):
    ApiTokenFactory(role="admin")

    response = get_with(header)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == 401


@time_machine.travel(NOW, tick=False)
def test_an_expired_token_and_a_closed_account_are_unknown():
    over = ApiTokenFactory(role="viewer", expires_at=NOW)
    closed = ApiTokenFactory(role="viewer", user__is_active=False)
    good = ApiTokenFactory(role="viewer", expires_at=NOW + timedelta(seconds=1))

    assert get_with(f"Bearer {over.text}").status_code == 401
    assert get_with(f"Bearer {closed.text}").status_code == 401
    assert get_with(f"Bearer {good.text}").status_code == 200


def test_last_use_is_written_at_most_once_a_minute():
    token = ApiTokenFactory(role="viewer")

    seen = []
    for seconds in (0, 59, 60, 61):
        with time_machine.travel(NOW + timedelta(seconds=seconds), tick=False):
            get_with(f"Bearer {token.text}")
        token.refresh_from_db()
        seen.append((token.last_used_at - NOW).seconds)

    assert seen == [0, 0, 60, 60]


def test_asking_costs_one_query_for_the_token_and_two_for_its_rights(django_assert_num_queries):
    api = api_of("viewer")

    with django_assert_num_queries(1 + 2 + 1):
        api.send("get", "runs/")
