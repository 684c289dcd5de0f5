"""The dashboard: each card behind its permission, in a fixed number of queries, with a word where there is nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cdp.roles import ADMIN, VIEWER
from profiles.cards import count_events_by_day, count_people
from profiles.models import InboxMessage
from segments.cards import distribution
from tests.admin_world import make_world
from tests.factories.profiles import EventFactory, IdentifierFactory, ProfileFactory, SourceFactory
from tests.factories.segments import SegmentFactory, TierSchemeFactory, TierStandingFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db


def cards(client):
    return {card.key for card, _html in client.get("/admin/").context["cards"]}


def test_a_role_sees_its_cards():
    assert cards(sign_in(VIEWER)) == {
        "backlog",
        "duplicates",
        "people",
        "events",
        "conflicts",
        "tiers",
        "segments",
        "runs",
    }


def test_without_a_role_there_is_no_card_but_a_way_on():
    client = sign_in()

    assert cards(client) == set()
    assert "Ask an administrator" in client.get("/admin/").content.decode()


def test_an_empty_site_says_what_to_do_next():
    text = sign_in(ADMIN).get("/admin/").content.decode()

    for address in ("/admin/profiles/source/add/", "/admin/segments/segment/add/", "/admin/segments/tierscheme/add/"):
        assert f'href="{address}"' in text


def test_queries_do_not_grow_with_the_data():
    make_world()
    client = sign_in(ADMIN)
    client.get("/admin/")
    with CaptureQueriesContext(connection) as few:
        client.get("/admin/")
    for _ in range(3):
        SegmentFactory()
        EventFactory(occurred_at=datetime.now(UTC))

    with CaptureQueriesContext(connection) as many:
        client.get("/admin/")

    assert len(many) == len(few) <= 29  # runs name what they worked on, one query a kind of thing


def test_an_inbox_that_stalls_is_a_warning_that_says_what_to_do():
    waiting = InboxMessage.objects.create(
        source=SourceFactory(), received_at=datetime.now(UTC) - timedelta(minutes=4), payload="{}"
    )
    client = sign_in(VIEWER)

    def card():
        return {card.key: html for card, html in client.get("/admin/").context["cards"]}["backlog"]

    assert "the oldest has waited 4 minutes" in card()
    assert "st-warning" not in card()
    InboxMessage.objects.filter(pk=waiting.pk).update(received_at=datetime.now(UTC) - timedelta(hours=3))
    assert "the oldest has waited 3 hours" in card()
    assert "See that a worker runs" in card()


def test_known_people_have_a_personal_identifier():
    ProfileFactory()
    IdentifierFactory(kind_key="anonymous_id")
    known = IdentifierFactory(kind_key="email", value="ann@example.com").profile
    IdentifierFactory(kind_key="phone", value="+8613800138000", profile=known)
    ProfileFactory(merged_into=known)

    assert count_people().counts == (3, 1)


def test_events_count_on_the_business_day_they_happened(now):
    for moment in (datetime(2026, 6, 14, 15, 59, tzinfo=UTC), datetime(2026, 6, 14, 16, tzinfo=UTC), now):
        EventFactory(occurred_at=moment)
    EventFactory(occurred_at=datetime(2026, 6, 15, 5, tzinfo=UTC))  # later than now

    by_day = count_events_by_day(now)

    assert len(by_day) == 30
    assert list(by_day)[-2:] == ["2026-06-14", "2026-06-15"]
    assert list(by_day.values())[-2:] == [1, 2]


def test_the_distribution_goes_from_the_highest_tier():
    scheme = TierSchemeFactory(tiers={"gold": {"op": "attribute", "key": "city", "is": "set"}, "basic": None})
    gold, basic = scheme.tiers.order_by("position")
    for tier in (gold, basic, basic, basic):
        TierStandingFactory(tier=tier)

    rows = [(row["tier"], row["n_profiles"], row["percent"]) for row in distribution(scheme)]

    assert rows == [(gold, 1, 25.0), (basic, 3, 75.0)]
