"""Suggestions: what was seen, most frequent first, of a fixed number of rows, and masked."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cdp.roles import OPERATOR, VIEWER
from profiles.masking import SEES_ALL, masking_for
from profiles.services import suggestions
from profiles.services.suggestions import properties_of_events, values_of_attribute, values_of_property
from tests.factories.cdp import UserFactory
from tests.factories.profiles import SEEN_AT, AttributeDefinitionFactory, EventFactory, ProfileFactory

pytestmark = pytest.mark.django_db
ORDER = "Order Completed"


def ordered(*all_properties):
    for n, properties in enumerate(all_properties):
        EventFactory(definition__name=ORDER, properties=properties, occurred_at=SEEN_AT + timedelta(hours=n))


def test_values_of_an_attribute_come_by_how_frequent_they_are():
    for city in ("Oslo", "Bergen", "Oslo", None, ""):
        ProfileFactory(attributes={"city": city})
    ProfileFactory(attributes={"city": "Narvik"}, merged_into=ProfileFactory())

    assert values_of_attribute("city", "", masking=SEES_ALL) == ["Oslo", "Bergen"]
    assert values_of_attribute("city", "BER", masking=SEES_ALL) == ["Bergen"]


def test_a_list_offers_its_items_and_types_are_kept_apart():
    for value in ([1, "1"], [1, True, "1"], 1):
        ProfileFactory(attributes={"sizes": value})

    found = values_of_attribute("sizes", "", masking=SEES_ALL)

    assert [(type(value), value) for value in found] == [(int, 1), (str, "1"), (bool, True)]


def test_only_the_last_seen_are_looked_at(monkeypatch):
    monkeypatch.setattr(suggestions, "N_PROFILES", 1)
    ProfileFactory(attributes={"city": "Oslo"})
    ProfileFactory(attributes={"city": "Bergen"}, first_seen_at=SEEN_AT + timedelta(days=1))

    assert values_of_attribute("city", "", masking=SEES_ALL) == ["Bergen"]


def test_properties_are_found_through_lists_with_the_type_that_was_seen_most():
    ordered(
        {"total": 3, "products": [{"category": "tea", "price": 2}, {"category": "cups"}]},
        {"total": "3", "note": None, "a.b": 1},
        {"total": 4.5},
    )

    found = properties_of_events([ORDER], masking=SEES_ALL)

    assert {path: seen.type for path, seen in found.items()} == {
        "total": "number", "products.category": "text", "products.price": "number", "note": "",
    }  # fmt: skip
    assert next(iter(found)) == "total"
    assert values_of_property([ORDER], "products.category", "t", masking=SEES_ALL) == ["tea"]
    assert values_of_property([ORDER], "none.such", "", masking=SEES_ALL) == []
    assert properties_of_events(["Never Sent"], masking=SEES_ALL) == {}


def test_only_the_latest_events_are_looked_at_in_two_queries(monkeypatch):
    monkeypatch.setattr(suggestions, "N_EVENTS", 2)
    ordered({"old": 1}, {"new": 1}, {"new": 2})

    with CaptureQueriesContext(
        connection,
    ) as queries:
        found = properties_of_events([ORDER], masking=SEES_ALL)

    assert list(found) == ["new"]
    assert len(queries) == 2


def test_who_may_not_see_personal_data_is_offered_none():
    AttributeDefinitionFactory(key="name", is_pii=True)
    AttributeDefinitionFactory(key="city", is_pii=False)
    ProfileFactory(attributes={"name": "Ann", "city": "Oslo"})
    ordered({"email": "ann@example.com", "coupon": "SPRING", "who@example.com": "x"})
    viewer, operator = (masking_for(UserFactory(role=role)) for role in (VIEWER, OPERATOR))

    assert values_of_attribute("name", "", masking=viewer) == []
    assert values_of_attribute("city", "", masking=viewer) == ["Oslo"]
    assert values_of_attribute("name", "", masking=operator) == ["Ann"]
    assert values_of_property([ORDER], "email", "", masking=viewer) == []
    assert values_of_property([ORDER], "coupon", "", masking=viewer) == ["SPRING"]
    assert list(properties_of_events([ORDER], masking=viewer)) == ["coupon"]
