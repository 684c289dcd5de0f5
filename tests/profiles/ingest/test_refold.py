"""Folding again gives what processing by the new definition from the start would have given."""

from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiles.ingest.accept import accept_messages
from profiles.ingest.process import process_batch
from profiles.ingest.refold import refold_chunk, share_definitions, wait_for_batches
from profiles.ingest.survivorship import fitting_survivorships
from profiles.models import AttributeDefinition, AttributeType, Contribution, Event, Profile, Source
from profiles.services.definitions import refold, save_attribute, save_source
from profiles.services.identity import merge_profiles
from tests.elsewhere import Elsewhere
from tests.factories.profiles import (
    AttributeDefinitionFactory,
    ContributionFactory,
    IdentifierFactory,
    SourceFactory,
)
from tests.profiles.ingest.messages import START, identify, message, profile_of, send
from tests.profiles.ingest.test_laws import state, world
from tests.profiles.ingest.workers import emptying_inbox

NOW = START + timedelta(days=1)

values = st.sampled_from([1, 2.5, "3", "003", "many", ["a", 1], ["b"], "2026/1/3", "2025-12-31", True, None, ""])


@st.composite
def histories(draw):
    """Identify messages of two sources; times and sources tie."""
    said = []
    for n in range(draw(st.integers(1, 10))):
        one = message(
            "identify",
            user=draw(st.sampled_from(["u1", "u2", None])),
            anonymous=draw(st.sampled_from(["a1", "a2"])),
            at=draw(st.integers(0, 3)),
            id=f"m{draw(st.integers(0, 99))}-{n}",
            traits={"points": draw(values), "city": draw(st.sampled_from(["Oslo", "Rome"]))},
        )
        said.append((draw(st.sampled_from(["shop", "till"])), one))
    return said


meanings = st.sampled_from(
    [(type_, survivorship) for type_ in AttributeType for survivorship in fitting_survivorships(type_)]
)


def collect(sources, history, *, batch=1000):
    for source, one in history:
        accept_messages(sources[source], [one], received_at=NOW)
    while process_batch(now=NOW, limit=batch).n_messages:
        pass


def define(type_, survivorship):
    definition = AttributeDefinition.objects.get(key="points")
    definition.type, definition.survivorship = type_, survivorship
    return save_attribute(definition, user=None)


def contributions():
    """Without what is kept for nobody: after a change to a survivorship that asks for nothing."""
    rows = Contribution.objects.values_list(
        "anchor__value", "source__key", "definition__key", "value", "fits", "occurred_at", "message_id"
    )
    return sorted(rows, key=repr)


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), histories(), meanings, meanings, st.integers(1, 4))
def test_a_change_of_meaning_equals_having_meant_it_from_the_start(early, late, before, after, batch):
    late = [(source, one | {"messageId": f"late-{one['messageId']}"}) for source, one in late]
    with world(limits={}) as sources:
        define(*after)
        collect(sources, early + late, batch=batch)
        expected, rows = state(), contributions()

    with world(limits={}) as sources:
        define(*before)
        collect(sources, early, batch=batch)
        run = define(*after)
        collect(sources, late, batch=batch)
        if run is not None:
            refold(run)
        assert state() == expected
        assert before != after or run is None
        if run is not None and "attribute" in run.params:
            assert contributions() == rows


@pytest.mark.django_db
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), meanings, st.integers(1, 250))
def test_a_change_of_rank_equals_having_had_it_from_the_start(history, meaning, rank):
    with world(limits={}) as sources:
        define(*meaning)
        Source.objects.filter(key="shop").update(rank=rank)
        collect(sources, history)
        expected = state()

    with world(limits={}) as sources:
        define(*meaning)
        collect(sources, history)
        sources["shop"].rank = rank
        run = save_source(sources["shop"], user=None)
        assert (run is None) == (rank == 100)
        if run is not None:
            refold(run)
        assert state() == expected


@pytest.mark.django_db
def test_what_was_sent_comes_back_when_the_type_does():
    AttributeDefinitionFactory(key="code", type="text")
    send(SourceFactory(), identify(user="u1", code="0123"))

    shown = []
    for type_ in ("number", "text"):
        definition = AttributeDefinition.objects.get(key="code")
        definition.type = type_
        refold(save_attribute(definition, user=None))
        shown.append(profile_of("user_id", "u1").attributes)

    assert shown == [{"code": 123}, {"code": "0123"}]


@pytest.mark.django_db
def test_a_value_without_an_event_is_coerced_as_it_is_stored():
    definition = AttributeDefinitionFactory(key="visits", type="text")
    identifier = IdentifierFactory()
    ContributionFactory(anchor=identifier, definition=definition, value="12")

    definition.type, definition.survivorship = "number", "max"
    refold(save_attribute(definition, user=None))

    assert Profile.objects.get().attributes == {"visits": 12}
    assert Contribution.objects.get().kept == {"by": "max:number", "value": 12}


@pytest.mark.django_db
def test_events_of_before_message_ids_were_kept_are_read_too():
    AttributeDefinitionFactory(key="code", type="text")
    send(SourceFactory(), identify(user="u1", code="7", id="m7"), identify(user="u1", at=-5, code="3"))
    Event.objects.update(message_id=None)

    definition = AttributeDefinition.objects.get(key="code")
    definition.type, definition.survivorship = "number", "first"
    refold(save_attribute(definition, user=None))

    assert Profile.objects.get().attributes == {"code": 3}
    assert Contribution.objects.get().message_id == "m7"


@pytest.mark.django_db
def test_a_refold_goes_on_where_it_was_cut_off():
    definition = AttributeDefinitionFactory(key="code", type="text")
    source = SourceFactory()
    for n in range(5):
        send(source, identify(user=f"u{n}", code=str(n)))
    definition.type = "number"
    run = save_attribute(definition, user=None)

    first = refold_chunk(0, rebuild="code", limit=2)
    run.params = {**run.params, "after": first.last_id, "n_profiles": 2, "n_changed": 2}
    refold(run)

    assert (first.n_profiles, first.n_changed, first.keys) == (2, 2, {"code"})
    assert (run.done, run.total, run.counts) == (5, 5, {"changed": 5, "refreshed": 0})
    assert sorted(Profile.objects.values_list("attributes__code", flat=True)) == [0, 1, 2, 3, 4]


@pytest.mark.django_db
def test_who_is_merged_into_somebody_folded_before_is_folded_too():
    definition = AttributeDefinitionFactory(key="points", type="number")
    source = SourceFactory()
    send(source, identify(user="old", at=0, points=1))
    send(source, identify(email="ann@example.com", at=1, points=9), identify(email="ann@example.com", at=2, points=2))
    old, mail = profile_of("user_id", "old"), profile_of("email", "ann@example.com")
    definition.survivorship = "max"
    save_attribute(definition, user=None)
    first = refold_chunk(0, rebuild="points", limit=1)
    merge_profiles([old.pk, mail.pk], user=None, now=NOW)

    second = refold_chunk(first.last_id, rebuild="points", limit=1)

    assert (first.last_id, second.last_id) == (old.pk, mail.pk)
    assert (first.n_profiles, second.n_profiles) == (1, 0)
    old.refresh_from_db()
    assert old.attributes["points"] == 9


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_chunk_that_meets_a_merge_folds_the_survivor():
    """The refold waits for the lock of somebody who is then merged away."""
    definition = AttributeDefinitionFactory(key="points", type="number")
    source = SourceFactory()
    send(source, identify(user="old", at=0, points=1))
    send(source, identify(email="ann@example.com", at=1, points=9), identify(email="ann@example.com", at=2, points=2))
    old, mail = profile_of("user_id", "old"), profile_of("email", "ann@example.com")
    definition.survivorship = "max"
    definition.save()

    with transaction.atomic():
        merge_profiles([old.pk, mail.pk], user=None, now=NOW)
        folding = Elsewhere(lambda: refold_chunk(old.pk, rebuild="points"))
        assert folding.come_as_far_as_it_can()
    folding.finish()

    old.refresh_from_db()
    assert old.attributes["points"] == 9


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_messages_that_flow_meanwhile_are_folded_by_the_new_definition():
    """A worker processes small batches while another folds again; then nothing is left of the old survivorship."""
    definition = AttributeDefinitionFactory(key="points", type="number")
    source = SourceFactory()
    numbers = [(n * 7919) % 101 for n in range(300)]
    sayings = [identify(user=f"u{n % 20}", at=n, points=number) for n, number in enumerate(numbers)]
    accept_messages(source, sayings, received_at=NOW)

    with emptying_inbox(now=NOW, batch=10):
        while not Profile.objects.exists():
            pass
        definition.survivorship = "max"
        refold(save_attribute(definition, user=None))

    for n in range(20):
        assert profile_of("user_id", f"u{n}").attributes == {"points": max(numbers[n::20])}


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_refold_waits_for_the_batches_that_read_the_old_definition():
    with transaction.atomic():
        share_definitions()
        waiting = Elsewhere(wait_for_batches)
        assert waiting.come_as_far_as_it_can()
    waiting.finish()
