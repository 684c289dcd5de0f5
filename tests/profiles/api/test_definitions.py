import pytest

from profiles.models import AttributeDefinition, EventDefinition
from tests.clients import api_of
from tests.factories.profiles import AttributeDefinitionFactory, EventDefinitionFactory

pytestmark = pytest.mark.django_db


def test_an_attribute_says_what_it_means():
    body = api_of("viewer").send("get", "attributes/birthday/").json()

    made = AttributeDefinition.objects.get(key="birthday").created_at
    assert body == {
        "key": "birthday",
        "label": "Birthday",
        "type": "date",
        "survivorship": "most_recent",
        "is_pii": True,
        "is_discovered": False,
        "created_at": made.isoformat().replace("+00:00", "Z"),
    }


def test_keys_and_names_are_found_as_they_were_sent():
    AttributeDefinitionFactory(key="a/b 你好.c")
    EventDefinitionFactory(name="Cart/Filled?")
    api = api_of("viewer")

    assert api.send("get", "attributes/a%2Fb%20%E4%BD%A0%E5%A5%BD.c/").json()["key"] == "a/b 你好.c"
    assert api.send("get", "events/Cart%2FFilled%3F/").json()["name"] == "Cart/Filled?"
    assert api.send("get", "attributes/a%00b/").status_code == 404


def test_an_event_names_the_property_that_counts():
    EventDefinition.objects.create(name="Refunded", value_property="order.total", value_sign=-1)

    body = api_of("viewer").send("get", "events/Refunded/").json()

    assert body | {"created_at": ""} == {
        "name": "Refunded",
        "value_property": "order.total",
        "value_sign": -1,
        "is_discovered": False,
        "created_at": "",
    }


def test_an_attribute_marked_personal_is_masked_from_then_on():
    AttributeDefinitionFactory(key="nick")

    changed = api_of("operator").send("patch", "attributes/nick/", {"is_pii": True, "label": "Nick"})

    assert changed.status_code == 200
    assert AttributeDefinition.objects.get(key="nick").is_pii
    assert api_of("viewer").send("patch", "attributes/nick/", {"is_pii": False}).status_code == 403


def test_what_is_read_only_may_be_sent_back_but_not_changed():
    api = api_of("operator")
    body = api.send("get", "attributes/city/").json()

    assert api.send("patch", "attributes/city/", body).json() == body
    refused = api.send("patch", "attributes/city/", body | {"type": "number", "key": "town", "label": "Town"}).json()
    assert [error["path"] for error in refused["errors"]] == ["key", "type"]
    assert api.send("get", "attributes/city/").json() == body
    assert api.send("patch", "attributes/city/", {"pii": True}).status_code == 400
    assert api.send("delete", "attributes/city/").status_code == 405
    assert api.send("post", "events/", {"name": "x"}).status_code == 405


@pytest.mark.parametrize("path", ["attributes/", "events/"])
@pytest.mark.parametrize("n", [1, 20])
def test_lists_of_definitions_are_one_query(path, n, django_assert_num_queries):
    for _index in range(n):
        AttributeDefinitionFactory(is_discovered=True)
        EventDefinitionFactory(is_discovered=True)
    api = api_of("viewer")

    with django_assert_num_queries(3 + 1):
        assert len(api.send("get", f"{path}?is_discovered=true").json()["results"]) == n
