import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection, transaction

from cdp.api.idempotency import KEPT_FOR, purge
from cdp.locks import advisory_lock
from cdp.models import ApiToken, IdempotentAnswer
from profiles.models import Source
from tests.clients import api_of

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TILL = {"key": "till", "name": "Till", "kind": "till"}
pytestmark = pytest.mark.django_db


def test_the_same_key_with_another_body_is_refused_and_does_nothing():
    api = api_of("operator")
    api.send("post", "sources/", TILL, Idempotency_Key="k1")

    response = api.send("post", "sources/", TILL | {"key": "shop"}, Idempotency_Key="k1")

    assert response.status_code == 422
    assert not Source.objects.filter(key="shop").exists()


def test_an_error_is_not_kept_so_that_the_key_may_try_again():
    api = api_of("operator")

    assert api.send("post", "sources/", TILL | {"kind": "radio"}, Idempotency_Key="k1").status_code == 400
    assert api.send("post", "sources/", TILL, Idempotency_Key="k1").status_code == 201


def test_without_the_right_nothing_is_replayed():
    api = api_of("operator")
    api.send("post", "sources/", TILL, Idempotency_Key="k1")
    ApiToken.objects.get().user.groups.clear()

    assert api.send("post", "sources/", TILL, Idempotency_Key="k1").status_code == 403


@pytest.mark.parametrize("key", ["", "k" * 256, "é", "a\tb"])
def test_a_bad_key_is_refused(key):
    assert api_of("operator").send("post", "sources/", TILL, Idempotency_Key=key).status_code == 400
    assert Source.objects.count() == 1


def test_an_answer_is_kept_for_a_day_and_then_swept_away():
    api = api_of("operator")
    with time_machine.travel(NOW, tick=False):
        api.send("post", "sources/", TILL, Idempotency_Key="k1")
    with time_machine.travel(NOW + KEPT_FOR - timedelta(seconds=1), tick=False):
        assert api.send("post", "sources/", TILL, Idempotency_Key="k1").status_code == 201
    with time_machine.travel(NOW + KEPT_FOR, tick=False):
        assert (
            api.send("post", "sources/", TILL, Idempotency_Key="k1").status_code == 400
        )  # tried anew: the key is taken

    purge(now=NOW + KEPT_FOR)
    assert not IdempotentAnswer.objects.exists()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_request_that_is_still_running_answers_409():
    api = api_of("operator")
    held, release = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            advisory_lock("idempotency", f"{ApiToken.objects.get().pk}:k1")
            held.set()
            release.wait(120)
        connection.close()

    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(120)
    try:
        response = api.send("post", "sources/", TILL, Idempotency_Key="k1")
    finally:
        release.set()
        other.join()

    assert response.status_code == 409
    assert response["Retry-After"] == "1"
    assert not Source.objects.filter(key="till").exists()
