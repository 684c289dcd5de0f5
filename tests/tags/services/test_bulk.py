"""Tagging many people, and taking it back."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError

from cdp.models import Run
from tags.models import BulkTagging, TagAssignment, TagChange
from tags.services import assign_tag, unassign_tag
from tags.services import bulk as service
from tags.services.bulk import carry_out, queue_bulk, queue_undo, take_back
from tests.factories.cdp import UserFactory
from tests.factories.profiles import ProfileFactory
from tests.factories.tags import TagFactory, TagValueFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)
ASSIGN, REMOVE = BulkTagging.Action.ASSIGN, BulkTagging.Action.REMOVE


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(service, "CHUNK", 2)


def do(tag, action, people, **what):
    bulk = queue_bulk(
        tag, action, [person.pk for person in people], chosen_by="a pasted list", user=UserFactory(), **what
    )
    carry_out(bulk.run, now=NOW)
    Run.objects.filter(pk=bulk.run.pk).update(state=Run.State.SUCCEEDED, ended_at=NOW)
    return bulk


def undo(bulk):
    run = queue_undo(bulk, user=UserFactory())
    take_back(run, now=NOW + timedelta(hours=1))
    return run


def carried():
    return dict(TagAssignment.objects.values_list("profile", "value__key"))


def test_what_a_run_assigned_is_taken_back_and_nothing_else():
    tag = TagFactory()
    gold, silver = TagValueFactory(tag=tag, key="gold"), TagValueFactory(tag=tag, key="silver")
    ann, bob, cleo, dan, eve = people = ProfileFactory.create_batch(5)
    assign_tag(tag, [ann.pk], value=gold, now=NOW - timedelta(days=2))
    assign_tag(tag, [bob.pk], value=silver, now=NOW - timedelta(days=2))

    bulk = do(tag, ASSIGN, people, value=gold)
    assert bulk.run.counts == {"tagged": 4, "unchanged": 1}
    unassign_tag(tag, [cleo.pk], now=NOW)
    assign_tag(tag, [dan.pk], value=silver, now=NOW)
    run = undo(bulk)

    assert carried() == {ann.pk: "gold", bob.pk: "silver", dan.pk: "silver"}
    assert run.counts == {"taken_back": 2}
    assert queue_undo(bulk, user=UserFactory()) == run
    take_back(run, now=NOW + timedelta(hours=2))
    assert carried() == {ann.pk: "gold", bob.pk: "silver", dan.pk: "silver"}
    assert eve.pk not in carried()


def test_what_a_run_removed_comes_back():
    tag, people = TagFactory(), ProfileFactory.create_batch(3)
    assign_tag(tag, [person.pk for person in people], now=NOW - timedelta(days=2))

    bulk = do(tag, REMOVE, people)
    assert carried() == {}
    undo(bulk)

    assert carried() == {person.pk: None for person in people}


def test_a_run_that_was_cut_off_goes_on():
    tag, people = TagFactory(), ProfileFactory.create_batch(5)
    bulk = queue_bulk(tag, ASSIGN, [person.pk for person in people], chosen_by="-", user=UserFactory())
    first = bulk.profile_ids[:2]
    assign_tag(tag, first, run_id=bulk.run_id, now=NOW)  # and killed before it was noted

    carry_out(bulk.run, now=NOW)

    assert len(carried()) == 5
    assert TagChange.objects.filter(run_id=bulk.run_id).count() == 5


def test_nothing_is_queued_for_nobody_or_without_a_value():
    tag = TagFactory()

    with pytest.raises(ValidationError, match="Nobody"):
        queue_bulk(tag, ASSIGN, [], chosen_by="-", user=UserFactory())
    TagValueFactory(tag=tag)
    with pytest.raises(ValidationError, match="needs a value"):
        queue_bulk(tag, ASSIGN, [ProfileFactory().pk], chosen_by="-", user=UserFactory())

    assert not BulkTagging.objects.exists()
    assert not Run.objects.exists()


def test_what_is_under_way_is_not_taken_back():
    tag, ann = TagFactory(), ProfileFactory()
    bulk = queue_bulk(tag, ASSIGN, [ann.pk], chosen_by="-", user=UserFactory())

    with pytest.raises(ValidationError, match="under way"):
        queue_undo(bulk, user=UserFactory())
