"""Carriers of tags by day."""

from datetime import date, timedelta

import pytest

from tags.models import TagDay
from tags.services import days as days_of_tags
from tags.services.days import count_days, trend_of
from tests.clients import api_of
from tests.factories.profiles import SEEN_AT
from tests.factories.tags import TagChangeFactory, TagFactory, TagValueFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
FIRST = date(2026, 1, 1)  # SEEN_AT is its eighth hour in Shanghai


def change(tag, before, after, *, days=0):
    TagChangeFactory(tag=tag, before=before, after=after, at=SEEN_AT + timedelta(days=days))


def make_card():
    """Two got gold and one silver; two days later one of the gold ones got silver, and the silver one lost it."""
    card = TagFactory(key="card")
    TagValueFactory(tag=card, key="gold", name="Gold")
    TagValueFactory(tag=card, key="silver")
    for after in ("gold", "gold", "silver"):
        change(card, None, after)
    change(card, "gold", "silver", days=2)
    change(card, "silver", None, days=2)
    return card


def test_a_tag_and_its_values_are_counted_once():
    card, plain = make_card(), TagFactory()
    change(plain, None, "", days=1)

    counted = [count_days(), count_days()]
    change(plain, "", None, days=1)
    counted.append(count_days())

    assert counted == [6, 0, 1]
    assert sorted(TagDay.objects.filter(tag=card).values_list("value", "day", "n_entered", "n_left")) == [
        ("", FIRST, 3, 0),
        ("", FIRST + timedelta(days=2), 0, 1),
        ("gold", FIRST, 2, 0),
        ("gold", FIRST + timedelta(days=2), 0, 1),
        ("silver", FIRST, 1, 0),
        ("silver", FIRST + timedelta(days=2), 1, 1),
    ]
    assert list(TagDay.objects.filter(tag=plain).values_list("value", "n_entered", "n_left")) == [("", 1, 1)]


def test_a_trend_has_every_day_also_of_values_that_are_gone():
    card = make_card()
    change(card, None, "iron", days=-1)
    change(card, "iron", None, days=3)
    count_days()

    trend = trend_of(card, until=FIRST + timedelta(days=3), n_days=4)

    assert [day.n_members for day in trend.whole] == [4, 4, 3, 2]
    assert {key: [day.n_members for day in days] for key, days in trend.values.items()} == {
        "gold": [2, 2, 1, 1],
        "silver": [1, 1, 1, 1],
        "iron": [1, 1, 1, 0],
    }
    later = trend_of(card, until=FIRST + timedelta(days=3), n_days=1)
    assert list(later.values) == ["gold", "silver"]


def test_the_page_shows_them(django_assert_num_queries):
    card = make_card()
    count_days()
    client = sign_in("viewer")

    with django_assert_num_queries(8):
        page = client.get(f"/admin/tags/tag/{card.pk}/trend/?days=365")

    assert page.context["names"] == ["Gold", "Silver"]
    assert page.context["rows"][-1] == {"day": (FIRST, 3, 3, 0), "values": [("gold", 2), ("silver", 1)], "n_bare": 0}
    assert "2026-01-01" in page.content.decode()


def test_the_api_has_the_days_with_changes(django_assert_num_queries):
    make_card()
    TagFactory(key="nobody")
    count_days()
    api = api_of("viewer")

    with django_assert_num_queries(7):
        answer = api.send("get", "tags/card/sizes/").json()["results"]
    paged = api.send("get", "tags/card/sizes/?page_size=1").json()

    assert answer == [
        {"day": "2026-01-03", "n_assigned": 0, "n_removed": 1, "n_carriers": 2, "values": {"gold": 1, "silver": 1}},
        {"day": "2026-01-01", "n_assigned": 3, "n_removed": 0, "n_carriers": 3, "values": {"gold": 2, "silver": 1}},
    ]
    assert paged["results"] == answer[:1]
    rest = api.send("get", paged["next"].split("/api/v1/")[1]).json()
    assert rest["results"] == answer[1:]
    assert api.send("get", "tags/nobody/sizes/").json()["results"] == []
    assert api.send("get", "tags/none/sizes/").status_code == 404


def test_a_trend_of_very_many_values_has_those_that_most_carry(monkeypatch):
    monkeypatch.setattr(days_of_tags, "MAX_VALUES", 2)
    card = TagFactory()
    for key in ("gold", "silver", "iron"):
        TagValueFactory(tag=card, key=key)
        TagDay.objects.create(tag=card, value=key, day=FIRST, n_entered=len(key))

    trend = trend_of(card, until=FIRST, n_days=1)

    assert {key: [day.n_members for day in sizes] for key, sizes in trend.values.items()} == {
        "gold": [4],
        "silver": [6],
    }
    assert trend.n_left_out == 1
