"""What is none of the choices is told those that there are."""

import pytest

from cdp.feeds import feeds
from cdp.models import Run
from cdp.rules.causes import Cause
from tests.clients import api_of

pytestmark = pytest.mark.django_db


def errors_of(answer):
    assert answer.status_code == 400
    return [(error["path"], error["message"]) for error in answer.json()["errors"]]


def test_a_field_names_its_choices():
    refused = api_of("admin").send("post", "attributes/", {"key": "size", "type": "100% {text}"})

    known = "text, number, boolean, date, datetime, list"
    assert errors_of(refused) == [("type", f"“100% {{text}}” is not known; known: {known}")]


def test_each_item_of_a_list_is_told_the_choices():
    hears = [{"feed": next(iter(feeds())), "causes": ["weather"]}]

    refused = api_of("admin").send("post", "webhooks/", {"key": "shop", "url": "https://a.example/", "hears": hears})

    known = ", ".join(Cause.values)
    assert ("hears[0].causes[0]", f"“weather” is not known; known: {known}") in errors_of(refused)


def test_a_filter_names_its_choices():
    refused = api_of("viewer").send("get", "runs/?state=50%25 {done}")

    known = ", ".join(Run.State.values)
    assert errors_of(refused) == [("state", f"“50% {{done}}” is not known; known: {known}")]


def test_words_of_a_fields_own_stay():
    refused = api_of("admin").send(
        "post", "webhooks/", {"key": "shop", "url": "https://a.example/", "hears": [{"feed": "x"}]}
    )

    assert any("is no feed. There are: " in message for _path, message in errors_of(refused))
