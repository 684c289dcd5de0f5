"""Tagging many people, and taking it back."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError

from cdp.models import Run
from cdp.runs import RefusedError
from profiles.models import Profile
from profiles.services.identity import merge_profiles
from tags.models import BulkTagging, DisplacedTag, Tag, TagAssignment, TagChange
from tags.services import assign_tag, unassign_tag
from tags.services import bulk as service
from tags.services.bulk import carry_out, queue_bulk, queue_undo, take_back
from tags.services.expiry import end_expired
from tags.services.tag import delete_tag, move_tag, save_tag
from tests.factories.cdp import UserFactory
from tests.factories.profiles import IdentifierFactory, ProfileFactory
from tests.factories.tags import TagFactory, TagValueFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)
ASSIGN, REMOVE = BulkTagging.Action.ASSIGN, BulkTagging.Action.REMOVE


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(service, "CHUNK", 2)
    monkeypatch.setattr("cdp.bulk.CHUNK", 2)


def do(tag, action, people, **what):
    bulk = queue_bulk(
        tag, action, [person.pk for person in people], chosen_by="a pasted list", user=UserFactory(), now=NOW, **what
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


def test_each_chunk_happens_at_its_own_moment():
    tag, people = TagFactory(), ProfileFactory.create_batch(3)
    ids = [person.pk for person in people]
    bulk = queue_bulk(tag, ASSIGN, ids, chosen_by="a pasted list", user=UserFactory(), now=NOW)
    moments = [NOW + timedelta(hours=hours) for hours in range(4)]
    clock = iter(moments)

    carry_out(bulk.run, now=lambda: next(clock))
    Run.objects.update(state=Run.State.SUCCEEDED, ended_at=NOW)
    take_back(queue_undo(bulk, user=UserFactory()), now=lambda: next(clock))

    changes = TagChange.objects.order_by("id").values_list("after", "at")
    assert list(changes) == [
        *[("", moments[place]) for place in (0, 0, 1)],
        *[(None, moments[place]) for place in (2, 2, 3)],
    ]


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
    assert run.counts == {"taken_back": 2, "kept": 0}
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


def test_a_value_is_taken_off_those_who_carry_it_alone():
    tag = TagFactory()
    gold, silver = TagValueFactory(tag=tag, key="gold"), TagValueFactory(tag=tag, key="silver")
    ann, bob, cleo = people = ProfileFactory.create_batch(3)
    assign_tag(tag, [ann.pk], value=gold, now=NOW - timedelta(days=2))
    assign_tag(tag, [bob.pk], value=silver, now=NOW - timedelta(days=2))

    bulk = do(tag, REMOVE, people, value=gold)
    assert carried() == {bob.pk: "silver"}
    assert bulk.run.counts == {"removed": 1, "unchanged": 2}
    undo(bulk)

    assert carried() == {ann.pk: "gold", bob.pk: "silver"}
    assert cleo.pk not in carried()


def test_a_run_that_was_cut_off_goes_on():
    tag, people = TagFactory(), ProfileFactory.create_batch(5)
    bulk = queue_bulk(tag, ASSIGN, [person.pk for person in people], chosen_by="-", user=UserFactory(), now=NOW)
    service.apply(bulk, bulk.profile_ids[:2], run=bulk.run, now=NOW)  # and killed before it was noted

    carry_out(bulk.run, now=NOW)

    assert len(carried()) == 5
    assert TagChange.objects.filter(run_id=bulk.run_id).count() == 5


@pytest.mark.parametrize("action", [ASSIGN, REMOVE])
def test_what_was_there_before_comes_back_with_its_end(action):
    tag = TagFactory()
    gold, silver = TagValueFactory(tag=tag, key="gold"), TagValueFactory(tag=tag, key="silver")
    ends = [NOW + timedelta(days=3), None, NOW + timedelta(days=9), NOW + timedelta(minutes=30)]
    people = ProfileFactory.create_batch(4)
    for person, value, end in zip(people, [gold, gold, silver, silver], ends, strict=True):
        assign_tag(tag, [person.pk], value=value, expires_at=end, now=NOW - timedelta(days=2))

    what = {"value": gold, "expires_at": NOW + timedelta(days=5)} if action == ASSIGN else {}
    bulk = do(tag, action, people, **what)
    assert bulk.run.counts == {"tagged" if action == ASSIGN else "removed": 4, "unchanged": 0}
    run = undo(bulk)  # an hour later, when one of them had ended anyway

    assert run.counts == {"taken_back": 3 + (action == ASSIGN), "kept": 0}
    assert dict(TagAssignment.objects.values_list("profile", "expires_at")) == {
        person.pk: end for person, end in list(zip(people, ends, strict=True))[:3]
    }
    assert carried() == {people[0].pk: "gold", people[1].pk: "gold", people[2].pk: "silver"}


def test_who_got_another_end_since_keeps_it():
    tag, (ann, bob) = TagFactory(), ProfileFactory.create_batch(2)
    bulk = do(tag, ASSIGN, [ann, bob])
    assign_tag(tag, [ann.pk], expires_at=NOW + timedelta(days=1), now=NOW)

    undo(bulk)

    assert carried() == {ann.pk: None}


def test_those_who_were_merged_meanwhile_are_one_person():
    tag, (ann, bob) = TagFactory(), ProfileFactory.create_batch(2)
    bulk = queue_bulk(tag, ASSIGN, [ann.pk, bob.pk], chosen_by="-", user=UserFactory(), now=NOW)
    Profile.objects.filter(pk=bob.pk).update(merged_into=ann)

    carry_out(bulk.run, now=NOW)

    assert carried() == {ann.pk: None}
    assert list(bulk.before.values_list("profile_id", "is_carried")) == [(ann.pk, False)]


def test_who_carried_it_as_another_with_whom_they_merged_carries_that_again():
    """Bob's own word gave way to the run's; what the run had put on Cleo, which gave way too, is its doing as well."""
    tag, (bob, cleo) = TagFactory(), ProfileFactory.create_batch(2)
    ann = ProfileFactory(first_seen_at=bob.first_seen_at - timedelta(days=1))
    for person in (ann, bob, cleo):
        IdentifierFactory(profile=person, kind_key="anonymous_id")
    assign_tag(tag, [bob.pk], expires_at=NOW + timedelta(days=9), now=NOW - timedelta(days=1))
    bulk = do(tag, ASSIGN, [ann, cleo])
    merge_profiles([ann.pk, bob.pk, cleo.pk], user=None, now=NOW)
    TagChange.objects.all().delete()

    undo(bulk)

    (kept,) = TagAssignment.objects.values_list("origin", "assigned_at", "expires_at")
    assert kept == (bob.pk, NOW - timedelta(days=1), NOW + timedelta(days=9))
    assert not TagChange.objects.exists()
    assert not DisplacedTag.objects.exists()


def test_nothing_is_queued_for_nobody_or_without_a_value():
    tag = TagFactory()

    with pytest.raises(ValidationError, match="Nobody"):
        queue_bulk(tag, ASSIGN, [], chosen_by="-", user=UserFactory(), now=NOW)
    with pytest.raises(ValidationError, match="in the future"):
        queue_bulk(tag, ASSIGN, [ProfileFactory().pk], expires_at=NOW, chosen_by="-", user=UserFactory(), now=NOW)
    TagValueFactory(tag=tag)
    with pytest.raises(ValidationError, match="needs a value"):
        queue_bulk(tag, ASSIGN, [ProfileFactory().pk], chosen_by="-", user=UserFactory(), now=NOW)

    assert not BulkTagging.objects.exists()
    assert not Run.objects.exists()


def test_what_is_under_way_is_not_taken_back():
    tag, ann = TagFactory(), ProfileFactory()
    bulk = queue_bulk(tag, ASSIGN, [ann.pk], chosen_by="-", user=UserFactory(), now=NOW)

    with pytest.raises(ValidationError, match="under way"):
        queue_undo(bulk, user=UserFactory())


def test_a_run_outlives_the_value_it_was_about():
    tag, (ann, bob) = TagFactory(), ProfileFactory.create_batch(2)
    gold, silver = (
        TagValueFactory(tag=tag, key=key, name=key.title(), position=n) for n, key in enumerate(("gold", "silver"))
    )
    assign_tag(tag, [ann.pk], value=gold, now=NOW - timedelta(days=2))
    bulk = do(tag, REMOVE, [ann], value=gold)
    moved = do(tag, ASSIGN, [bob], value=silver)

    save_tag(tag, values=[silver], user=UserFactory())

    bulk.refresh_from_db()
    assert (bulk.value, bulk.value_key, bulk.value_name, bulk.is_value_gone) == (None, "gold", "Gold", True)
    assert bulk.before.values_list("profile_id", "is_carried").get() == (ann.pk, False)
    with pytest.raises(ValidationError, match="“Gold” was deleted: nothing of it can be taken back"):
        queue_undo(bulk, user=UserFactory())
    assert BulkTagging.objects.get(pk=moved.pk).is_value_gone is False


def test_who_carried_what_is_gone_by_now_carries_nothing_again():
    tag, (ann, bob) = TagFactory(), ProfileFactory.create_batch(2)
    gold, silver = (TagValueFactory(tag=tag, key=key, position=n) for n, key in enumerate(("gold", "silver")))
    assign_tag(tag, [ann.pk], value=gold, now=NOW - timedelta(days=2))
    bulk = do(tag, ASSIGN, [ann, bob], value=silver)
    save_tag(tag, values=[silver], user=UserFactory())

    run = undo(bulk)

    assert carried() == {}
    assert run.counts == {"taken_back": 2, "kept": 0}


@pytest.mark.parametrize("action", [ASSIGN, REMOVE])
def test_a_run_whose_value_went_meanwhile_changes_nobody_and_says_so(action):
    tag, (ann, bob) = TagFactory(), ProfileFactory.create_batch(2)
    gold, silver = (
        TagValueFactory(tag=tag, key=key, name=key.title(), position=n) for n, key in enumerate(("gold", "silver"))
    )
    assign_tag(tag, [ann.pk], value=silver, now=NOW - timedelta(days=2))
    bulk = queue_bulk(tag, action, [ann.pk, bob.pk], value=gold, chosen_by="-", user=UserFactory(), now=NOW)
    save_tag(tag, values=[silver], user=UserFactory())

    with pytest.raises(RefusedError, match="The value “Gold” was deleted meanwhile"):
        carry_out(bulk.run, now=NOW)

    assert carried() == {ann.pk: "silver"}


def test_a_run_whose_tag_went_meanwhile_says_so():
    tag, ann = TagFactory(), ProfileFactory()
    bulk, done = queue_bulk(tag, ASSIGN, [ann.pk], chosen_by="-", user=UserFactory(), now=NOW), do(tag, ASSIGN, [ann])
    undo_run = queue_undo(done, user=UserFactory())
    delete_tag(tag)

    for work, run in ((carry_out, bulk.run), (take_back, undo_run)):
        with pytest.raises(RefusedError, match="The tag was deleted meanwhile"):
            work(run, now=NOW)


def test_a_tag_that_is_archived_between_two_chunks_stops_the_run(monkeypatch):
    tag, people = TagFactory(), ProfileFactory.create_batch(4)
    bulk = queue_bulk(tag, ASSIGN, [person.pk for person in people], chosen_by="-", user=UserFactory(), now=NOW)

    def archived(run, done, total, **counts):
        move_tag(Tag.objects.get(), Tag.Lifecycle.ARCHIVED, user=run.user)

    monkeypatch.setattr("cdp.bulk.advance", archived)
    with pytest.raises(RefusedError, match="is archived"):
        carry_out(bulk.run, now=NOW)

    assert len(carried()) == 2


@pytest.mark.parametrize("action", [ASSIGN, REMOVE])
def test_who_is_named_by_two_runs_gets_back_what_they_had_when_both_are_taken_back(action):
    tag = TagFactory()
    gold, silver = (TagValueFactory(tag=tag, key=key) for key in ("gold", "silver"))
    ann, bob, cleo = people = ProfileFactory.create_batch(3)
    assign_tag(tag, [person.pk for person in people], value=silver, now=NOW - timedelta(days=2))
    what = {"value": gold} if action == ASSIGN else {}
    made = {ann.pk: "gold", bob.pk: "gold", cleo.pk: "gold"} if action == ASSIGN else {}

    first = do(tag, action, [ann, bob], **what)
    second = do(tag, action, [bob, cleo], **what)
    assert carried() == made
    run = undo(first)
    assert run.counts == {"taken_back": 1, "kept": 1}
    assert carried() == {**made, ann.pk: "silver"}
    run = undo(second)

    assert run.counts == {"taken_back": 2, "kept": 0}
    assert carried() == {person.pk: "silver" for person in people}


def test_the_later_of_two_runs_is_taken_back_first():
    tag, (ann, bob) = TagFactory(), ProfileFactory.create_batch(2)
    first, second = do(tag, ASSIGN, [ann]), do(tag, ASSIGN, [ann, bob])

    undo(second)
    assert carried() == {ann.pk: None}
    undo(first)

    assert carried() == {}


def test_a_run_to_another_value_or_end_does_not_keep():
    tag = TagFactory()
    gold, silver = (TagValueFactory(tag=tag, key=key) for key in ("gold", "silver"))
    ann, bob = ProfileFactory.create_batch(2)
    first = do(tag, ASSIGN, [ann], value=gold)
    do(tag, ASSIGN, [bob], value=silver)
    later = queue_bulk(tag, ASSIGN, [ann.pk], value=silver, chosen_by="-", user=UserFactory(), now=NOW)

    undo(first)

    assert carried() == {bob.pk: "silver"}
    assert BulkTagging.objects.filter(pk=later.pk).exists()


@pytest.mark.parametrize("is_purged", [False, True])
def test_what_has_ended_since_is_taken_back_too(is_purged):
    tag = TagFactory()
    gold, silver = (TagValueFactory(tag=tag, key=key) for key in ("gold", "silver"))
    ann, bob, cleo = ProfileFactory.create_batch(3)
    assign_tag(tag, [ann.pk, cleo.pk], value=gold, now=NOW - timedelta(days=2))
    bulk = do(tag, ASSIGN, [ann, bob, cleo], value=silver, expires_at=NOW + timedelta(minutes=30))
    end_expired(now=NOW + timedelta(minutes=31))
    assign_tag(tag, [cleo.pk], value=silver, expires_at=NOW + timedelta(minutes=40), now=NOW + timedelta(minutes=32))
    end_expired(now=NOW + timedelta(minutes=41))
    if is_purged:
        TagAssignment.objects.filter(is_ended=True).delete()

    run = undo(bulk)

    assert carried_at(NOW + timedelta(hours=1)) == {ann.pk: "gold"}
    assert run.counts == {"taken_back": 1, "kept": 0}


def carried_at(now):
    return dict(TagAssignment.objects.live(now).values_list("profile", "value__key"))
