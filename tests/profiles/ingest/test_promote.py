"""A value that is named later is what it would have been, had it been named from the start."""

import threading
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdp.models import Run
from cdp.rules.causes import Cause
from cdp.rules.holders import holder_of
from cdp.runs import execute_run
from profiles import tasks  # noqa: F401 - registers the work of runs
from profiles.ingest.accept import accept_messages
from profiles.ingest.process import process_batch
from profiles.ingest.promote import keys_after, promote_chunk
from profiles.ingest.refold import share_definitions
from profiles.models import Event, EventDefinition, Profile
from profiles.refresh.full import refresh_in_full
from profiles.services import event_values
from profiles.services.definitions import save_event_definition
from profiles.services.event_values import promote_next, promote_values
from profiles.services.identity import merge_profiles
from segments.models import Membership
from tests.elsewhere import PATIENCE, Elsewhere
from tests.factories.profiles import EventDefinitionFactory, IdentifierFactory, SourceFactory
from tests.factories.segments import SegmentFactory
from tests.profiles.ingest.messages import START, message, profile_of, send, track
from tests.profiles.ingest.test_laws import world
from tests.profiles.ingest.workers import emptying_inbox

NOW = START + timedelta(days=1)

totals = st.sampled_from([1, -2.5, "3", " 4e1", "many", True, None, "", [5], {"sum": 6}, 1e20, 10**25])


@st.composite
def histories(draw):
    """Orders of two people under several identifiers, and other events."""
    said = []
    for n in range(draw(st.integers(1, 10))):
        one = message(
            "track",
            user=draw(st.sampled_from(["u1", "u2", None])),
            anonymous=draw(st.sampled_from(["a1", "a2"])),
            at=draw(st.integers(0, 3)),
            id=f"m{n}",
            event=draw(st.sampled_from(["Purchase", "Viewed"])),
            properties=draw(st.sampled_from([{}, {"order": 1}])) or {"order": {"total": draw(totals)}},
        )
        said.append(one)
    return said


def collect(source, history, *, batch=1000):
    for one in history:
        accept_messages(source, [one], received_at=NOW)
    while process_batch(now=NOW, limit=batch).n_messages:
        pass


def name_value(path="total", sign=1, event="Purchase"):
    definition, _made = EventDefinition.objects.get_or_create(name=event)
    definition.value_property, definition.value_sign = path, sign
    return save_event_definition(definition, user=None)


def stored():
    events = Event.objects.values_list("definition__name", "anchor__value", "occurred_at", "value", "properties")
    return sorted(events, key=repr)


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), histories(), st.sampled_from([1, -1]), st.integers(1, 4))
def test_a_value_named_later_equals_having_named_it_from_the_start(early, late, sign, batch):
    late = [one | {"messageId": f"late-{one['messageId']}"} for one in late]
    with world(limits={}) as sources:
        name_value("order.total", sign)
        collect(sources["shop"], early + late, batch=batch)
        expected = stored()

    with world(limits={}) as sources:
        collect(sources["shop"], early, batch=batch)
        run = name_value("order.total", sign)
        collect(sources["shop"], late, batch=batch)
        promote_values(run)
        assert stored() == expected


@pytest.mark.django_db
def test_members_by_value_become_right_and_it_is_told_how_many_events_changed():
    sums = {"op": "event", "name": "Purchase", "measure": {"sum": "$value"}, "is": "gte", "value": 100}
    rich = SegmentFactory(key="rich", rule=sums)
    SegmentFactory(key="buyers", rule={"op": "event", "name": "Purchase"})
    SegmentFactory(
        key="viewers", rule={"op": "event", "name": "Viewed", "measure": {"sum": "$value"}, "is": "gte", "value": 1}
    )
    source = SourceFactory()
    send(
        source,
        track("Purchase", user="ann", total=60),
        track("Purchase", user="ann", total="50"),
        track("Purchase", user="bob", total=60),
        track("Purchase", user="bob", total="none"),
        track("Viewed", user="cem", total=500),
    )
    refresh_in_full(holder_of("segment:rich"), now=lambda: NOW, cause=Cause.RULE)
    assert not Membership.objects.exists()

    run = name_value()
    execute_run(run.pk, now=NOW)

    run.refresh_from_db()
    assert (run.kind, run.subject, run.state) == ("promote", "event:Purchase", "succeeded")
    assert (run.done, run.total, run.counts) == (4, 4, {"events": 4, "valued": 3, "refreshed": 1})
    waiting = Run.objects.get(kind="refresh")
    assert waiting.subject == "segment:rich"
    execute_run(waiting.pk, now=NOW)
    members = Membership.objects.filter(segment=rich).values_list("profile", flat=True)
    assert list(members) == [profile_of("user_id", "ann").pk]
    assert list(Event.objects.filter(definition__name="Viewed").values_list("value", flat=True)) == [None]


@pytest.mark.django_db
def test_where_no_event_came_no_rule_is_judged_again():
    SegmentFactory(rule={"op": "event", "name": "Purchase", "measure": {"sum": "$value"}, "is": "gte", "value": 1})
    IdentifierFactory()
    EventDefinitionFactory(name="Purchase")

    promote_values(run := name_value())

    assert (run.done, run.total, run.counts) == (0, 0, {"events": 0, "valued": 0, "refreshed": 0})
    assert not Run.objects.filter(kind="refresh").exists()


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "sign"), [("price", 1), ("total", -1), ("", 1)])
def test_what_has_a_value_keeps_it(path, sign):
    EventDefinitionFactory(name="Purchase", value_property="total")

    with pytest.raises(ValidationError):
        name_value(path, sign)

    kept = EventDefinition.objects.get(name="Purchase")
    assert (kept.value_property, kept.value_sign) == ("total", 1)
    assert not Run.objects.exists()


@pytest.mark.django_db
def test_a_sign_alone_is_saved_and_waits_for_its_value():
    EventDefinitionFactory(name="Purchase")

    assert name_value("", -1) is None

    assert EventDefinition.objects.get(name="Purchase").value_sign == -1


@pytest.mark.django_db
def test_it_goes_on_where_it_was_cut_off():
    """Within a person, and within a moment, too."""
    source = SourceFactory()
    orders = [("ann", 0), ("ann", 1), ("ann", 1), ("ann", 1), ("bob", 2)]
    send(source, *(track("Purchase", user=user, at=at, total=n + 1) for n, (user, at) in enumerate(orders)))
    run = name_value()
    definition = EventDefinition.objects.get(name="Purchase")
    promote_next(run, definition, keys_after(definition, None, limit=2))
    n_early = Event.objects.filter(value__isnull=False).count()

    promote_values(run := Run.objects.get(pk=run.pk))

    assert n_early == 2
    assert (run.done, run.total, run.counts) == (5, 5, {"events": 5, "valued": 5, "refreshed": 0})
    assert sorted(Event.objects.values_list("value", flat=True)) == [1, 2, 3, 4, 5]


@pytest.mark.django_db
def test_a_run_that_failed_is_queued_again_by_saving_the_event_and_goes_on():
    send(SourceFactory(), *(track("Purchase", user="ann", at=n, total=n) for n in range(5)))
    failed = name_value()
    definition = EventDefinition.objects.get(name="Purchase")
    promote_next(failed, definition, keys_after(definition, None, limit=2))
    Run.objects.filter(pk=failed.pk).update(state="failed")

    run = name_value()
    again = name_value()
    execute_run(run.pk, now=NOW)

    run.refresh_from_db()
    assert again is None
    assert (run.state, run.counts) == ("succeeded", {"events": 5, "valued": 5, "refreshed": 0})
    assert sorted(Event.objects.values_list("value", flat=True)) == list(range(5))
    assert name_value() is None


@pytest.mark.django_db
def test_people_are_locked_for_so_many_events_however_many_one_of_them_has(monkeypatch):
    send(SourceFactory(), *(track("Purchase", user="ann", at=n, total=n) for n in range(5)))
    locked = []

    def counted(definition, keys):
        locked.append(len(keys))
        return promote_chunk(definition, keys)

    monkeypatch.setattr(event_values, "CHUNK", 2)
    monkeypatch.setattr(event_values, "promote_chunk", counted)

    promote_values(name_value())

    assert locked == [2, 2, 1]
    assert sorted(Event.objects.values_list("value", flat=True)) == list(range(5))


@pytest.mark.django_db
def test_events_that_go_to_somebody_else_are_not_missed_and_those_that_went_are_passed_by():
    """Between the look at the keys and the chunk one is taken to somebody else, and one deleted."""
    source = SourceFactory()
    send(source, *(track("Purchase", user=user, at=n, total=n) for n, user in enumerate(["ann", "bob", "cem"])))
    definition = EventDefinition.objects.get(name="Purchase")
    ann, bob = profile_of("user_id", "ann"), profile_of("user_id", "bob")
    name_value()
    definition.refresh_from_db()

    keys = keys_after(definition, None)
    Event.objects.filter(profile=bob).update(profile=ann)
    Event.objects.filter(profile=profile_of("user_id", "cem")).delete()
    done = promote_chunk(definition, keys)

    assert done == (2, 2)
    assert sorted(Event.objects.values_list("profile", "value")) == [(ann.pk, 0), (ann.pk, 1)]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_chunk_waits_for_a_merge_and_reaches_what_it_moved():
    source = SourceFactory()
    send(source, track("Purchase", user="ann", total=1), track("Purchase", anonymous="a1", at=1, total=2))
    ann, guest = profile_of("user_id", "ann"), profile_of("anonymous_id", "a1")
    EventDefinition.objects.filter(name="Purchase").update(value_property="total")
    definition = EventDefinition.objects.get(name="Purchase")

    with transaction.atomic():
        merge_profiles([ann.pk, guest.pk], user=None, now=NOW)
        promoting = Elsewhere(lambda: promote_chunk(definition, keys_after(definition, None)))
        assert promoting.come_as_far_as_it_can()
    promoting.finish()

    assert sorted(Event.objects.values_list("profile", "value")) == [(ann.pk, 1), (ann.pk, 2)]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_batch_that_read_the_old_definition_is_waited_for():
    """It commits after the value was named, and wrote its event without one."""
    source = SourceFactory()
    send(source, track("Purchase", user="ann", total=1))
    accept_messages(source, [track("Purchase", user="bob", total=2)], received_at=NOW)
    read, go_on = threading.Event(), threading.Event()

    def work():
        with transaction.atomic():
            share_definitions()
            process_batch(now=NOW)
            read.set()
            assert go_on.wait(PATIENCE)

    worker = Elsewhere(work)
    assert read.wait(PATIENCE)
    run = name_value()
    promoting = Elsewhere(lambda: promote_values(run))
    assert promoting.come_as_far_as_it_can()
    go_on.set()
    worker.finish()
    promoting.finish()

    assert sorted(Event.objects.values_list("value", flat=True)) == [1, 2]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_messages_that_flow_meanwhile_all_get_their_value():
    """A worker processes small batches while the run goes through; people merge meanwhile."""
    source = SourceFactory()
    orders = [track("Purchase", user=f"u{n % 30}", anonymous=f"a{n % 40}", at=n, total=n) for n in range(400)]
    accept_messages(source, orders, received_at=NOW)

    with emptying_inbox(now=NOW, batch=10, timeout=300) as [worker]:
        while not Profile.objects.exists():
            assert worker.is_alive()
        promote_values(name_value())

    assert sorted(Event.objects.values_list("value", flat=True)) == list(range(400))
