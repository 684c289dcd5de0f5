"""Pages that say what went wrong."""

import pytest
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.test import Client
from django.utils.translation import override

from cdp.roles import VIEWER
from tests.sign_in import sign_in


@pytest.mark.parametrize("name", ["400", "403", "403_csrf", "404", "500"])
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_they_are_written_in_both_languages_and_need_no_database(name, language):
    with override(language):
        text = render_to_string(f"{name}.html")

    assert f'<html lang="{language}">' in text
    assert 'href="/admin/"' in text
    assert ("概览" in text) == (language == "zh-hans")


@pytest.mark.django_db
def test_they_are_what_is_shown():
    client = sign_in(VIEWER)
    strict = Client(enforce_csrf_checks=True, headers={"accept-language": "en"})

    assert "There is nothing here" in client.get("/nowhere/").content.decode()
    assert "You may not see this" in client.get("/admin/segments/segment/add/").content.decode()
    assert "The form could not be sent" in strict.post("/admin/login/", {}).content.decode()


@pytest.mark.django_db
def test_a_failure_is_answered_without_the_database(monkeypatch):
    client = sign_in(VIEWER)
    client.raise_request_exception = False

    def fail(*args: object, **kwargs: object) -> HttpResponse:
        raise RuntimeError

    monkeypatch.setattr("cdp.dashboard.cards_for", fail)

    answer = client.get("/admin/")

    assert answer.status_code == 500
    assert "Something went wrong" in answer.content.decode()
