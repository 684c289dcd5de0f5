import pytest

from cdp.models import Run
from profiles.models import AttributeDefinition, EventDefinition
from tests.clients import api_of
from tests.factories.profiles import AttributeDefinitionFactory, EventDefinitionFactory
from tests.factories.segments import SegmentFactory

pytestmark = pytest.mark.django_db


def test_an_attribute_says_what_it_means():
    body = api_of("viewer").send("get", "attributes/birthday/").json()

    made = AttributeDefinition.objects.get(key="birthday").created_at
    assert body == {
        "key": "birthday",
        "label": "Birthday",
        "category": "",
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
        "label": "",
        "category": "",
        "schema": None,
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
    refused = api.send("patch", "attributes/city/", body | {"key": "town", "label": "Town"}).json()
    assert [error["path"] for error in refused["errors"]] == ["key"]
    assert api.send("get", "attributes/city/").json() == body
    assert api.send("patch", "attributes/city/", {"pii": True}).status_code == 400
    assert api.send("delete", "attributes/city/").status_code == 405


def test_another_type_is_saved_and_folded_again_by_a_run():
    AttributeDefinitionFactory(key="points", type="text")

    answer = api_of("operator").send("patch", "attributes/points/", {"type": "number", "survivorship": "max"})

    assert answer.status_code == 202
    run = Run.objects.get()
    assert answer["Location"] == f"/api/v1/runs/{run.pk}/"
    assert (run.kind, run.subject, run.params) == ("refold", "attribute:points", {"attribute": "points"})
    body = api_of("viewer").send("get", "attributes/points/").json()
    assert (body["type"], body["survivorship"]) == ("number", "max")


def test_a_survivorship_that_needs_nothing_more_reads_no_events():
    AttributeDefinitionFactory(key="points", survivorship="first")

    assert api_of("operator").send("patch", "attributes/points/", {"survivorship": "source_rank"}).status_code == 202

    assert Run.objects.get().params == {}


@pytest.mark.parametrize(
    ("key", "change", "path"),
    [
        ("city", {"survivorship": "max"}, "survivorship"),
        ("city", {"survivorship": "union"}, "survivorship"),
        ("city", {"survivorship": "best"}, "survivorship"),
        ("city", {"type": "money"}, "type"),
        ("city", {"is_discovered": True}, "is_discovered"),
        ("email", {"type": "number"}, "type"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_changes(key, change, path):
    before = api_of("viewer").send("get", f"attributes/{key}/").json()

    refused = api_of("operator").send("patch", f"attributes/{key}/", change)

    assert refused.status_code == 400
    assert [error["path"] for error in refused.json()["errors"]] == [path]
    assert api_of("viewer").send("get", f"attributes/{key}/").json() == before
    assert not Run.objects.exists()


def test_a_type_that_a_rule_cannot_compare_is_refused():
    SegmentFactory(name="Oslo", rule={"op": "attribute", "key": "city", "is": "contains", "value": "slo"})

    refused = api_of("operator").send("patch", "attributes/city/", {"type": "boolean"})

    assert refused.status_code == 400
    assert "Oslo" in refused.content.decode()
    assert AttributeDefinition.objects.get(key="city").type == "text"


def test_an_attribute_is_planned_before_anybody_sends_it():
    api = api_of("operator")

    made = api.send("post", "attributes/", {"key": "shoe.size", "type": "number", "category": "Body"})
    again = api.send("post", "attributes/", {"key": "shoe.size"})
    others = api.send("post", "attributes/", {"key": "firstName"})

    assert made.status_code == 201
    shown = {"key": "shoe.size", "type": "number", "category": "Body", "is_pii": True, "is_discovered": False}
    assert made.json().items() >= shown.items()
    assert again.status_code == others.status_code == 400
    assert "first_name" in others.content.decode()


def test_a_discovered_attribute_becomes_planned():
    AttributeDefinitionFactory(key="nick", is_discovered=True)

    assert api_of("operator").send("patch", "attributes/nick/", {"is_discovered": False}).status_code == 200

    assert not AttributeDefinition.objects.get(key="nick").is_discovered


def test_an_event_gets_a_schema_and_keeps_its_value():
    schema = {"required": ["total"], "properties": {"total": {"type": "number"}}}
    api = api_of("operator")

    made = api.send("post", "events/", {"name": "Table Booked", "value_property": "total", "schema": schema})
    changed = api.send("patch", "events/Table%20Booked/", {"label": "Booking", "schema": None})
    refused = api.send("patch", "events/Table%20Booked/", {"value_property": "price"})

    assert made.status_code == 201
    assert made.json()["schema"] == schema
    assert (changed.json()["label"], changed.json()["schema"]) == ("Booking", None)
    assert [error["path"] for error in refused.json()["errors"]] == ["value_property"]


@pytest.mark.parametrize("path", [".", "..x", "a..b", "total.", ".total", "order. .total"])
def test_a_path_to_a_value_with_an_empty_name_is_refused(path):
    EventDefinitionFactory(name="Purchase", is_discovered=True)
    api = api_of("operator")

    made = api.send("post", "events/", {"name": "Table Booked", "value_property": path})
    named = api.send("patch", "events/Purchase/", {"value_property": path})

    assert (made.status_code, named.status_code) == (400, 400)
    assert [error["path"] for answer in (made, named) for error in answer.json()["errors"]] == ["value_property"] * 2
    assert "such as total or order.total" in made.content.decode()
    assert list(
        EventDefinition.objects.filter(name__in=["Table Booked", "Purchase"]).values_list("value_property")
    ) == [("",)]
    assert not Run.objects.exists()


def test_an_event_that_messages_brought_is_given_a_value_once():
    EventDefinitionFactory(name="Purchase", is_discovered=True)
    api = api_of("operator")

    signed = api.send("patch", "events/Purchase/", {"value_sign": -1})
    named = api.send("patch", "events/Purchase/", {"value_property": "total", "label": "Buys"})
    again = api.send("patch", "events/Purchase/", {"value_property": "total", "value_sign": -1})
    others = api.send("patch", "events/Purchase/", {"value_property": "price", "value_sign": 1})

    assert (signed.status_code, named.status_code, again.status_code, others.status_code) == (200, 202, 200, 400)
    run = Run.objects.get()
    assert named["Location"] == f"/api/v1/runs/{run.pk}/"
    assert (run.kind, run.subject, run.user_id is None) == ("promote", "event:Purchase", False)
    assert sorted(error["path"] for error in others.json()["errors"]) == ["value_property", "value_sign"]
    saved = EventDefinition.objects.get(name="Purchase")
    assert (saved.value_property, saved.value_sign, saved.label, saved.is_discovered) == ("total", -1, "Buys", True)


@pytest.mark.parametrize("schema", [[], {"type": "array"}, {"$ref": "http://example.com/x"}, {"properties": 1}])
def test_a_schema_that_cannot_be_used_is_refused_with_its_place(schema):
    refused = api_of("operator").send("patch", "events/Order%20Completed/", {"schema": schema})

    assert refused.status_code == 400
    assert [error["path"] for error in refused.json()["errors"]] == ["schema"]
    assert EventDefinition.objects.get(name="Order Completed").schema is None


@pytest.mark.parametrize("path", ["attributes/", "events/"])
@pytest.mark.parametrize("n", [1, 20])
def test_lists_of_definitions_are_one_query(path, n, django_assert_num_queries):
    for _index in range(n):
        AttributeDefinitionFactory(is_discovered=True)
        EventDefinitionFactory(is_discovered=True)
    api = api_of("viewer")

    with django_assert_num_queries(3 + 1):
        assert len(api.send("get", f"{path}?is_discovered=true").json()["results"]) == n
