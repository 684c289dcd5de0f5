"""What everybody may ask: whether the site can work."""

import pytest

pytestmark = pytest.mark.django_db


def test_a_site_that_reaches_all_it_needs_is_ready(client):
    answer = client.get("/health/", headers={"Accept": "text/html"})

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "checks": {"database": "ok", "broker": "ok"}}


def test_what_is_away_is_named_and_not_where_it_is(client, settings):
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"

    answer = client.get("/health/?format=openmetrics")

    assert answer.status_code == 500
    assert answer.json() == {"status": "unavailable", "checks": {"database": "ok", "broker": "unavailable"}}
