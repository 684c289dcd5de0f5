"""Two people on one page: what the second left alone is not set back."""

from html import unescape
from typing import Any

import pytest
from django.db.models import Model
from django.urls import reverse

from cdp.admin.base import StrataAdmin
from cdp.models import Run
from cdp.roles import ADMIN
from profiles.admin.refold import CONFIRMED
from profiles.models import AttributeDefinition, EventDefinition, IdentifierKind, ImportMapping, Source
from tests.elsewhere import Elsewhere
from tests.factories.imports import ImportMappingFactory
from tests.factories.profiles import AttributeDefinitionFactory, EventDefinitionFactory, EventFactory, SourceFactory
from tests.factories.segments import SegmentFactory, TierSchemeFactory
from tests.factories.tags import TagFactory
from tests.pages import filled_in
from tests.rsa_keys import public_pem
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db


def a_kind():
    return IdentifierKind.objects.create(
        key="till_id", label="Till id", normaliser="card", priority=5, blocked_values=["C1", "C2"]
    )


def an_event():
    schema = {"type": "object", "properties": {"total": {"type": "number"}}}
    return EventDefinitionFactory(name="Booked", label="Booking", category="Tables", schema=schema)


def a_source():
    return SourceFactory(key="shop", name="Shop", rank=100, max_messages_per_second=50, oauth_public_keys=PEM)


def an_attribute():
    return AttributeDefinitionFactory(key="size", label="Size", type="text", is_pii=True)


def a_mapping():
    return ImportMappingFactory(name="Till", folder="till", is_watching=True)


PEM = public_pem(1)
MADE = {
    Source: a_source,
    IdentifierKind: a_kind,
    AttributeDefinition: an_attribute,
    EventDefinition: an_event,
    ImportMapping: a_mapping,
}
SAVED: list[tuple[type[Model], dict[str, Any]]] = [
    (Source, {"is_enabled": False, "unplanned_events": "reject"}),
    (Source, {"rank": 7, "kind": "till", "default_region": "DE", "max_messages_per_second": None}),
    (Source, {"oauth_public_keys": ""}),
    (Source, {"previous_id_kind": "user_id"}),
    (IdentifierKind, {"blocked_values": ["SH00000001"], "limit_per_profile": 3}),
    (IdentifierKind, {"is_personal": False, "normaliser": "text"}),
    (AttributeDefinition, {"is_pii": False, "category": "Clothes"}),
    (AttributeDefinition, {"type": "number", "survivorship": "max"}),
    (EventDefinition, {"schema": {"required": ["total"]}, "category": ""}),
    (EventDefinition, {"schema": None}),
    (ImportMapping, {"is_watching": False, "folder": ""}),
]


def page_of(thing):
    return reverse(f"admin:{thing._meta.app_label}_{thing._meta.model_name}_change", args=[thing.pk])


@pytest.mark.parametrize(("model", "by_other"), SAVED, ids=[f"{m.__name__}-{'-'.join(by)}" for m, by in SAVED])
def test_what_an_editor_left_alone_stays_as_another_has_saved_it(model, by_other):
    thing = MADE[model]()
    client = sign_in(ADMIN)
    shown = filled_in(client.get(page_of(thing)))
    if "previous_id_kind" in by_other:
        by_other = {"previous_id_kind": IdentifierKind.objects.get(key=by_other["previous_id_kind"])}
    named = "name" if "name" in shown else "label"
    model.objects.filter(pk=thing.pk).update(**by_other)

    answer = client.post(page_of(thing), {**shown, named: "Mine"})

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    thing.refresh_from_db()
    assert getattr(thing, named) == "Mine"
    assert {name: getattr(thing, name) for name in by_other} == by_other
    assert not Run.objects.exists()


@pytest.mark.parametrize("model", MADE)
def test_a_page_that_comes_back_as_it_was_shown_changes_nothing(model):
    thing = MADE[model]()
    client = sign_in(ADMIN)
    before = model.objects.filter(pk=thing.pk).values().get()

    answer = client.post(page_of(thing), filled_in(client.get(page_of(thing))))

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert model.objects.filter(pk=thing.pk).values().get() == before


def test_what_is_changed_on_a_page_that_asks_first_keeps_the_rest_as_another_has_saved_it():
    source = a_source()
    client = sign_in(ADMIN)
    shown = filled_in(client.get(page_of(source)))
    Source.objects.update(is_enabled=False)

    asked = client.post(page_of(source), {**shown, "rank": "9"})
    client.post(page_of(source), {**filled_in(asked), CONFIRMED: "1"})

    source.refresh_from_db()
    assert (source.rank, source.is_enabled) == (9, False)


def test_a_suggested_schema_is_saved_as_it_is_offered():
    event = EventDefinitionFactory(name="Booked", schema={"required": ["total"]})
    EventFactory(definition=event, properties={"table": 7})
    client = sign_in(ADMIN)

    client.post(page_of(event), filled_in(client.get(f"{page_of(event)}?suggest=1")))

    assert list(EventDefinition.objects.get(name="Booked").schema["properties"]) == ["table"]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_what_another_deletes_while_it_is_saved_is_said_on_the_list_and_not_made_again(monkeypatch):
    client, real = sign_in(ADMIN), StrataAdmin.save_form
    made = [make() for make in MADE.values()]
    made += [SegmentFactory(key="idle"), TagFactory(key="idle"), TierSchemeFactory(key="idle")]
    shown = [filled_in(client.get(page_of(thing))) for thing in made]

    def save_form(self, request, form, change):
        gone = Elsewhere(lambda: form.instance._meta.model.objects.filter(pk=form.instance.pk).delete())
        gone.finish()
        return real(self, request, form, change)

    monkeypatch.setattr(StrataAdmin, "save_form", save_form)
    for thing, fields in zip(made, shown, strict=True):
        named = "name" if "name" in fields else "label"

        answer = client.post(page_of(thing), {**fields, named: "Mine"}, follow=True)

        assert answer.redirect_chain == [(page_of(thing).removesuffix(f"{thing.pk}/change/"), 302)]
        said = f"Somebody has deleted it meanwhile: {thing._meta.verbose_name}. What you wrote"
        assert said in unescape(answer.content.decode())
        assert not type(thing).objects.filter(pk=thing.pk).exists()
