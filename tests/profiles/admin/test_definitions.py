"""The pages of attributes and events: what a change will do stands there before it is done."""

import pytest
from django.urls import reverse

from cdp.models import Run
from cdp.roles import OPERATOR, VIEWER
from profiles.models import AttributeDefinition, EventDefinition, Source
from profiles.services import in_time
from tests.factories.profiles import (
    AttributeDefinitionFactory,
    ContributionFactory,
    EventDefinitionFactory,
    EventFactory,
    SourceFactory,
)
from tests.factories.segments import SegmentFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db


def address(thing):
    return reverse(f"admin:profiles_{thing._meta.model_name}_change", args=[thing.pk])


def form_of(definition, **changed):
    fields = ("label", "category", "type", "survivorship")
    pii = {"is_pii": "on"} if definition.is_pii else {}
    return {name: getattr(definition, name) for name in fields} | pii | changed


def test_a_change_of_type_says_first_what_it_will_do():
    definition = AttributeDefinitionFactory(key="points", type="text")
    for value in ("7", "many"):
        ContributionFactory(definition=definition, value=value)
    SegmentFactory(name="Rich people", rule={"op": "attribute", "key": "points", "is": "set"})
    client = sign_in(OPERATOR)

    asked = client.post(address(definition), form_of(definition, type="number", survivorship="max"))

    text = asked.content.decode()
    assert "2 values are folded again" in text
    assert "1 do not fit the new type" in text
    assert ">many<" in text
    assert "Rich people" in text
    assert AttributeDefinition.objects.get(key="points").type == "text"
    assert not Run.objects.exists()

    done = client.post(
        address(definition), form_of(definition, type="number", survivorship="max", _confirmed="1"), follow=True
    )

    assert "A run folds all values again" in done.content.decode()
    saved = AttributeDefinition.objects.get(key="points")
    assert (saved.type, saved.survivorship) == ("number", "max")
    assert Run.objects.get().subject == "attribute:points"


def test_a_label_is_saved_without_a_question():
    definition = AttributeDefinitionFactory(key="points")

    sign_in(OPERATOR).post(address(definition), form_of(definition, label="Points", category="Loyalty"))

    saved = AttributeDefinition.objects.get(key="points")
    assert (saved.label, saved.category) == ("Points", "Loyalty")
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"survivorship": "union"}, "Does not fit this type"), ({"type": "money"}, "money is not one of the available")],
)
def test_what_does_not_fit_stays_in_the_form(changed, said):
    definition = AttributeDefinitionFactory(key="points")

    answer = sign_in(OPERATOR).post(address(definition), form_of(definition, **changed))

    assert said in answer.content.decode()
    assert AttributeDefinition.objects.get(key="points").survivorship == "most_recent"


def test_a_type_that_a_rule_cannot_compare_is_refused_with_its_name():
    definition = AttributeDefinitionFactory(key="points")
    SegmentFactory(name="Rich people", rule={"op": "attribute", "key": "points", "is": "contains", "value": "9"})

    answer = sign_in(OPERATOR).post(
        address(definition), form_of(definition, type="boolean", _confirmed="1"), follow=True
    )

    assert "Rich people" in answer.content.decode()
    assert AttributeDefinition.objects.get(key="points").type == "text"


def test_another_rank_says_first_what_it_will_do():
    source = SourceFactory(rank=100)
    ContributionFactory(source=source)
    fields = {"name": "Till", "kind": "till", "rank": 7, "default_region": "CN", "is_enabled": "on"}
    fields |= dict.fromkeys(("unplanned_events", "unplanned_attributes", "schema_violations"), "allow")
    client = sign_in(OPERATOR)

    asked = client.post(address(source), fields)
    assert "1 value is folded again" in asked.content.decode()
    assert Source.objects.get(pk=source.pk).rank == 100

    client.post(address(source), fields | {"_confirmed": "1"})
    assert Source.objects.get(pk=source.pk).rank == 7
    assert Run.objects.get().subject == f"source:{source.key}"


def test_an_attribute_is_planned_and_personal_unless_said_otherwise():
    client = sign_in(OPERATOR)
    page = reverse("admin:profiles_attributedefinition_add")

    assert "checked" in client.get(page).content.decode().partition('name="is_pii"')[2].partition(">")[0]
    client.post(page, {"key": "shoe", "type": "number", "survivorship": "max", "label": "", "category": ""})
    refused = client.post(page, {"key": "firstName", "type": "text", "survivorship": "first"})

    assert not AttributeDefinition.objects.get(key="shoe").is_discovered
    assert "first_name" in refused.content.decode()
    assert not AttributeDefinition.objects.filter(key="firstName").exists()


def test_discovered_names_become_planned_together():
    events = [EventDefinitionFactory(is_discovered=True) for _n in range(3)]
    page = reverse("admin:profiles_eventdefinition_changelist")
    chosen = {"action": "make_planned", "_selected_action": [event.pk for event in events[:2]]}

    assert "2 are planned now" in sign_in(OPERATOR).post(page, chosen, follow=True).content.decode()
    sign_in(VIEWER).post(page, {**chosen, "_selected_action": [events[2].pk]})

    assert [EventDefinition.objects.get(pk=event.pk).is_discovered for event in events] == [False, False, True]


def test_a_page_of_something_discovered_saves_it_as_planned():
    event, attribute = EventDefinitionFactory(is_discovered=True), AttributeDefinitionFactory(is_discovered=True)
    client = sign_in(OPERATOR)
    button = "profiles_{}_save_and_plan"

    assert "Save as planned" in client.get(address(event)).content.decode()
    client.post(address(event), {"label": "Seen", "value_sign": "1", button.format("eventdefinition"): "1"})
    client.post(address(attribute), form_of(attribute, **{button.format("attributedefinition"): "1"}))

    assert not EventDefinition.objects.get(pk=event.pk).is_discovered
    assert not AttributeDefinition.objects.get(pk=attribute.pk).is_discovered
    assert "Save as planned" not in client.get(address(event)).content.decode()


def test_a_schema_is_offered_from_the_events_seen_and_checked_when_saved():
    event = EventDefinitionFactory(name="Booked")
    EventFactory(definition=event, properties={"table": 7, "guests": 2})
    EventFactory(definition=event, properties={"table": 8})
    client = sign_in(OPERATOR)

    offered = client.get(f"{address(event)}?suggest=1")
    assert "Made from the latest 2 events" in offered.content.decode()
    assert offered.context["adminform"].form["schema"].value().count('"integer"') == 2
    assert EventDefinition.objects.get(name="Booked").schema is None

    refused = client.post(address(event), {"schema": '{"type": "array"}', "value_sign": "1"})
    assert "nothing would ever fit" in refused.content.decode()
    client.post(address(event), {"schema": '{"required": ["table"]}', "label": "Booking", "value_sign": "1"})
    saved = EventDefinition.objects.get(name="Booked")
    assert (saved.schema, saved.label) == ({"required": ["table"]}, "Booking")


def test_without_events_no_schema_is_offered():
    event = EventDefinitionFactory()

    assert "No event of this name" in sign_in(OPERATOR).get(f"{address(event)}?suggest=1").content.decode()


def test_a_value_that_is_named_says_first_what_it_will_do():
    event = EventDefinitionFactory(name="Purchase", is_discovered=True)
    for properties in (
        {"total": "7", "cart": {"items": 2}},
        {"total": 8, "cart": {"items": 1}},
        {"cart": {"items": 3}},
    ):
        EventFactory(definition=event, properties=properties)
    EventFactory(properties={"total": 9})
    sums = {"op": "event", "name": "Purchase", "measure": {"sum": "$value"}, "is": "gte", "value": 1}
    SegmentFactory(name="Spenders", rule=sums)
    SegmentFactory(name="Buyers", rule={"op": "event", "name": "Purchase"})
    client = sign_in(OPERATOR)
    fields = {"label": "", "category": "", "value_property": "total", "value_sign": "-1", "schema": ""}

    text = client.post(address(event), fields).content.decode()
    assert "3 stored events get their value from “total”" in text
    assert "Numbers at “total”: in 2 of the latest 3 events." in text
    assert text.index('<code class="st-code">cart.items</code>') < text.index('<code class="st-code">total</code>')
    assert "counts negative" in text
    assert "Spenders" in text
    assert "Buyers" not in text
    assert EventDefinition.objects.get(name="Purchase").value_property == ""
    assert not Run.objects.exists()

    done = client.post(address(event), {**fields, "_confirmed": "1"}, follow=True)
    assert "A run gives the events stored so far their value" in done.content.decode()
    saved = EventDefinition.objects.get(name="Purchase")
    assert (saved.value_property, saved.value_sign, saved.is_discovered) == ("total", -1, True)
    assert Run.objects.get().subject == "event:Purchase"
    assert 'name="value_property"' not in client.get(address(event)).content.decode()


def test_a_property_without_a_number_is_called_out():
    event = EventDefinitionFactory(name="Purchase")
    fields = {"value_property": "sum", "value_sign": "1", "schema": ""}
    client = sign_in(OPERATOR)

    assert "No event of this name has come yet" in client.post(address(event), fields).content.decode()
    EventFactory(definition=event, properties={"note": "much"})
    text = client.post(address(event), fields).content.decode()

    assert '<li class="st-errors">Numbers at “sum”: in 0 of the latest 1 events.' in text
    assert "No property of theirs holds a number." in text


def test_a_path_to_a_value_with_an_empty_name_is_refused_beside_its_field():
    event = EventDefinitionFactory(name="Purchase")
    old = EventDefinitionFactory(name="Booked", value_property="a..b")  # of a time when it was taken
    client = sign_in(OPERATOR)

    text = client.post(address(event), {"value_property": "..x", "value_sign": "1", "schema": ""}).content.decode()
    client.post(address(old), {"label": "Bookings", "schema": ""})

    assert "No name in it may be empty" in text
    assert 'name="value_property" value="..x"' in text
    assert EventDefinition.objects.get(name="Purchase").value_property == ""
    assert not Run.objects.exists()
    assert EventDefinition.objects.get(name="Booked").label == "Bookings"


def test_a_schema_that_the_database_cannot_hold_is_refused_beside_its_field():
    event = EventDefinitionFactory(name="Purchase")

    answer = sign_in(OPERATOR).post(address(event), {"value_sign": "1", "schema": r'{"description": "\u0000"}'})

    assert "holds a NUL character" in answer.content.decode()
    assert EventDefinition.objects.get(name="Purchase").schema is None


def test_a_value_stays_in_its_field_where_another_one_is_wrong():
    event = EventDefinitionFactory(name="Purchase")

    answer = sign_in(OPERATOR).post(address(event), {"value_property": "total", "value_sign": "-1", "schema": "{"})

    assert 'name="value_property" value="total"' in answer.content.decode()
    assert EventDefinition.objects.get(name="Purchase").value_property == ""


def test_who_names_a_value_that_a_colleague_has_named_meanwhile_is_told():
    event = EventDefinitionFactory(name="Purchase", value_property="total")

    answer = sign_in(OPERATOR).post(
        address(event), {"label": "Buys", "value_property": "price", "value_sign": "-1", "schema": ""}, follow=True
    )

    assert "Its value is “total” already, and stays" in answer.content.decode()
    saved = EventDefinition.objects.get(name="Purchase")
    assert (saved.label, saved.value_property, saved.value_sign) == ("Buys", "total", 1)


def test_a_new_event_names_its_value_without_a_question():
    fields = {"name": "Booked", "value_property": "total", "value_sign": "1", "schema": ""}

    sign_in(OPERATOR).post(reverse("admin:profiles_eventdefinition_add"), fields)

    assert EventDefinition.objects.get(name="Booked").value_property == "total"
    assert not Run.objects.exists()


def test_a_run_that_failed_is_told_of_and_goes_on_once_the_page_is_saved():
    definition = EventDefinitionFactory(name="Purchase", value_property="total")
    Run.objects.create(
        kind="promote", subject="event:Purchase", state="failed", params={"definition": definition.pk, "n_events": 7}
    )
    client = sign_in(OPERATOR)

    shown = client.get(address(definition)).content.decode()
    saved = client.post(address(definition), {"label": "", "category": "", "schema": ""}, follow=True)

    assert "The run that gives the stored events their value failed" in shown
    assert "A run gives the events stored so far their value" in saved.content.decode()
    assert Run.objects.get(state="queued").params == {"definition": definition.pk, "n_events": 7}
    assert "events their value failed" not in client.get(address(definition)).content.decode()


@pytest.mark.parametrize(
    ("limits", "n"), [((0, 3), 2), ((0, 0), 3)], ids=["the first are counted", "nor the first, but those looked at"]
)
def test_so_many_events_that_counting_them_takes_long_are_said_to_be_so_many_or_more(monkeypatch, limits, n):
    definition = EventDefinitionFactory(name="Purchase")
    for total in (1, 2, 3):
        EventFactory(definition=definition, properties={"total": total})
    in_turn, deadline = iter(limits), in_time.deadline
    monkeypatch.setattr(in_time, "deadline", lambda _seconds: deadline(next(in_turn)))
    monkeypatch.setattr(in_time, "MOST", 2)

    fields = {"label": "", "category": "", "value_property": "total", "value_sign": "1", "schema": ""}
    asked = sign_in(OPERATOR).post(address(definition), fields)

    assert f"{n} or more stored events get their value from “total”" in asked.content.decode()
