"""Two calls at once: a PATCH saves the fields that it names, and sets back none that another has saved meanwhile."""

import json
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.utils import timezone

from profiles.models import AttributeDefinition, EventDefinition, IdentifierKind, ImportMapping, Source
from profiles.services.definitions import save_source
from profiles.services.sources import delete_source, replace_write_key
from tests.clients import api_of
from tests.elsewhere import Elsewhere
from tests.factories.imports import ImportMappingFactory
from tests.factories.profiles import AttributeDefinitionFactory, EventDefinitionFactory, SourceFactory

at_once = pytest.mark.django_db(transaction=True, serialized_rollback=True)


class Race:
    """A PATCH that has read its thing and waits, while another transaction that has changed the thing is open."""

    def __init__(self):
        self.api = api_of("admin")

    def run(self, act, path, body):
        answers = []
        with transaction.atomic():
            act()
            patch = Elsewhere(lambda: answers.append(self.api.send("patch", path, body)))
            assert patch.come_as_far_as_it_can(), "it waits for nobody"
        patch.finish()
        return answers[0]


@at_once
def test_a_patch_sets_back_nothing_that_was_saved_while_it_waited():
    source, kind = SourceFactory(key="shop", name="Shop"), IdentifierKind.objects.get(key="email")
    mapping = ImportMappingFactory(key="till", name="Till")
    size = AttributeDefinitionFactory(key="size", label="", type="text", is_pii=True, is_discovered=True)
    booked = EventDefinitionFactory(name="Booked", label="", is_discovered=True)
    races = [
        (source, "sources/shop/", {"name": "Mine"}, {"is_enabled": False, "unplanned_events": "reject", "rank": 7}),
        (kind, "identifier-kinds/email/", {"label": "Mine"}, {"blocked_values": ["a@b.cc"], "priority": 45}),
        (size, "attributes/size/", {"label": "Mine"}, {"is_pii": False, "type": "number", "is_discovered": False}),
        (booked, "events/Booked/", {"label": "Mine"}, {"schema": {"required": ["total"]}, "is_discovered": False}),
        (mapping, "import-mappings/till/", {"name": "Mine"}, {"folder": "till", "is_watching": True}),
    ]
    race = Race()
    for thing, path, body, by_other in races:
        rows = type(thing).objects.filter(pk=thing.pk)
        before = rows.values().get()

        answer = race.run(lambda rows=rows, by_other=by_other: rows.update(**by_other), path, body)

        assert answer.status_code == 200, answer.content
        assert rows.values().get() == {**before, **body, **by_other}
        (entry,) = json.loads(LogEntry.objects.latest("pk").change_message)
        assert list(entry["values"]) == list(body)
    assert {type(thing) for thing, *_rest in races} == {
        Source, IdentifierKind, AttributeDefinition, EventDefinition, ImportMapping,
    }  # fmt: skip


@at_once
def test_a_replaced_write_key_stays_replaced():
    source = SourceFactory(key="shop")
    leaked = source.write_key

    Race().run(
        lambda: replace_write_key(source, grace=timedelta(0), now=timezone.now()), "sources/shop/", {"name": "Mine"}
    )

    source.refresh_from_db()
    assert source.name == "Mine"
    assert source.write_key != leaked


@at_once
def test_type_and_survivorship_that_do_not_fit_each_other_are_refused_whoever_said_which():
    size = AttributeDefinitionFactory(key="size", type="number", survivorship="latest")
    rows = AttributeDefinition.objects.filter(pk=size.pk)

    answer = Race().run(lambda: rows.update(type="text"), "attributes/size/", {"survivorship": "max"})

    assert answer.status_code == 400
    assert [error["path"] for error in answer.json()["errors"]] == ["survivorship"]
    assert rows.values_list("type", "survivorship").get() == ("text", "latest")


@at_once
def test_what_was_deleted_meanwhile_is_not_made_again():
    source = SourceFactory(key="shop", name="Shop")

    answer = Race().run(lambda: delete_source(source), "sources/shop/", {"name": "Mine"})

    assert answer.status_code == 400
    assert "“Mine” was deleted meanwhile" in answer.content.decode()
    assert not Source.objects.filter(key="shop").exists()


@pytest.mark.django_db
def test_a_service_that_is_told_no_fields_saves_all_of_them():
    source = SourceFactory(name="Shop")
    Source.objects.update(name="Till")

    assert save_source(source, user=None) is None

    assert Source.objects.get(pk=source.pk).name == "Shop"
