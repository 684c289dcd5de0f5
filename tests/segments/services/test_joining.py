"""Putting many people into a segment by hand."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError

from cdp.models import Run
from cdp.runs import RefusedError, RunCancelled
from profiles.services.identity import merge_profiles
from segments.models import BulkJoining, DisplacedMembership, Membership, MembershipChange, Segment
from segments.services import add_members, delete_segment, remove_members
from segments.services import joining as service
from segments.services.joining import put_in, queue_joining, queue_taking_back, save_people, take_back
from segments.services.upkeep import archive_segment
from tests.factories.cdp import UserFactory
from tests.factories.profiles import ProfileFactory
from tests.factories.segments import SegmentFactory, StaticSegmentFactory

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(service, "CHUNK", 2)
    monkeypatch.setattr("cdp.bulk.CHUNK", 2)


def queue(segment, people):
    return queue_joining(segment, [person.pk for person in people], chosen_by="a list", user=UserFactory())


def members():
    return list(Membership.objects.order_by("profile").values_list("profile", flat=True))


def test_what_is_cut_off_goes_on_where_it_was(now, monkeypatch):
    segment, people = StaticSegmentFactory(), ProfileFactory.create_batch(5)
    run = queue(segment, people).run
    Run.objects.filter(pk=run.pk).update(is_cancellable=True, cancel_asked_at=now)

    with pytest.raises(RunCancelled):
        put_in(Run.objects.get(pk=run.pk), now=now)
    first = members()
    Run.objects.filter(pk=run.pk).update(cancel_asked_at=None)
    put_in(Run.objects.get(pk=run.pk), now=now)
    put_in(Run.objects.get(pk=run.pk), now=now)

    assert first == [person.pk for person in people[:2]]
    assert members() == [person.pk for person in people]
    assert MembershipChange.objects.filter(change="entered", cause="manual").count() == 5
    assert Run.objects.get().counts == {"joined": 5, "unchanged": 0}


def test_each_chunk_is_in_since_its_own_moment_and_all_are_taken_back(now):
    segment, people = StaticSegmentFactory(), ProfileFactory.create_batch(5)
    joining = queue(segment, people)
    moments = [now + hours * HOUR for hours in range(6)]
    clock = iter(moments)

    put_in(joining.run, now=lambda: next(clock))
    entered = list(Membership.objects.order_by("profile").values_list("entered_at", flat=True))
    Run.objects.update(state=Run.State.SUCCEEDED, ended_at=now)
    take_back(queue_taking_back(joining, user=UserFactory()), now=lambda: next(clock))

    changes = MembershipChange.objects.order_by("id").values_list("change", "at")
    assert entered == [moments[place] for place in (0, 0, 1, 1, 2)]
    assert list(changes)[5:] == [("left", moments[place]) for place in (3, 3, 4, 4, 5)]
    assert members() == []


def test_who_was_merged_away_meanwhile_comes_in_as_who_they_are_now(now):
    segment, (ann, bob) = StaticSegmentFactory(), ProfileFactory.create_batch(2)
    run = queue(segment, [bob]).run
    bob.merged_into = ann
    bob.save()

    put_in(run, now=now)

    assert members() == [ann.pk]


def test_a_segment_that_was_archived_meanwhile_refuses(now):
    segment = StaticSegmentFactory()
    run = queue(segment, [ProfileFactory()]).run
    archive_segment(segment, user=UserFactory(), now=now)

    with pytest.raises(RefusedError, match="archived"):
        put_in(run, now=now)

    assert members() == []


def test_a_segment_that_is_archived_between_two_chunks_stops_the_run(now, monkeypatch):
    segment, people = StaticSegmentFactory(), ProfileFactory.create_batch(4)
    run = queue(segment, people).run

    def archived(run, done, total, **counts):
        archive_segment(Segment.objects.get(), user=run.user, now=now)

    monkeypatch.setattr("cdp.bulk.advance", archived)
    with pytest.raises(RefusedError, match="archived"):
        put_in(run, now=now)

    assert members() == [person.pk for person in people[:2]]


def test_a_segment_that_went_meanwhile_is_what_the_run_ends_with(now):
    segment, ann = StaticSegmentFactory(), ProfileFactory()
    run, undo_run = queue(segment, [ann]).run, queue_taking_back(do(segment, [ann], now=now), user=UserFactory())
    delete_segment(segment)

    for work, of in ((put_in, run), (take_back, undo_run)):
        with pytest.raises(RefusedError, match="The segment was deleted meanwhile"):
            work(of, now=now)


def test_only_segments_by_hand_are_joined():
    with pytest.raises(ValidationError, match="by its rule"):
        queue(SegmentFactory(), [ProfileFactory()])

    assert not BulkJoining.objects.exists()


def test_of_nobody_no_segment_is_made():
    with pytest.raises(ValidationError, match="Nobody is chosen"):
        save_people([], key="nobody", name="Nobody", chosen_by="a list", user=UserFactory())

    assert not Segment.objects.exists()
    assert not Run.objects.exists()


def do(segment, people, *, now):
    joining = queue(segment, people)
    put_in(joining.run, now=now)
    Run.objects.filter(pk=joining.run.pk).update(state=Run.State.SUCCEEDED, ended_at=now)
    return joining


def undo(joining, *, now):
    run = queue_taking_back(joining, user=UserFactory())
    take_back(run, now=now)
    return run


def test_whom_a_run_put_in_is_taken_out_again_and_nobody_else(now):
    segment = StaticSegmentFactory()
    ann, bob, cleo, dan, eve = ProfileFactory.create_batch(5)
    add_members(segment, [ann.pk], now=now - HOUR)

    joining = do(segment, [ann, bob, cleo, dan], now=now)
    add_members(segment, [eve.pk], now=now + HOUR)
    remove_members(segment, [dan.pk], now=now + HOUR)
    add_members(segment, [dan.pk], now=now + 2 * HOUR)
    run = undo(joining, now=now + 3 * HOUR)

    assert members() == [ann.pk, dan.pk, eve.pk]
    assert Segment.objects.get().n_members == 3
    assert run.counts == {"taken_back": 2, "kept": 0}
    left = MembershipChange.objects.filter(change="left", at=now + 3 * HOUR)
    assert list(left.order_by("profile").values_list("profile", "cause")) == [(bob.pk, "manual"), (cleo.pk, "manual")]
    take_back(run, now=now + 4 * HOUR)
    assert queue_taking_back(joining, user=UserFactory()) == run
    assert members() == [ann.pk, dan.pk, eve.pk]


def test_taking_back_goes_on_where_it_was_cut_off(now, monkeypatch):
    segment, people = StaticSegmentFactory(), ProfileFactory.create_batch(5)
    joining = do(segment, people, now=now)
    run = queue_taking_back(joining, user=UserFactory())

    with monkeypatch.context() as patch:
        patch.setattr("cdp.bulk.advance", raising)
        with pytest.raises(RuntimeError):
            take_back(run, now=now + HOUR)
    first = members()
    take_back(Run.objects.get(pk=run.pk), now=now + HOUR)

    assert first == [person.pk for person in people[2:]]
    assert members() == []
    assert MembershipChange.objects.filter(change="left").count() == 5


def raising(*_args, **_kwargs):
    raise RuntimeError


def test_who_merged_since_stays_by_the_membership_that_they_had_of_themselves(now):
    segment, (ann, bob, cleo, dan) = StaticSegmentFactory(), ProfileFactory.create_batch(4)
    add_members(segment, [ann.pk], now=now + HOUR)
    joining = do(segment, [bob, dan], now=now)
    merge_profiles([ann.pk, bob.pk], into=ann.pk, user=None, now=now + 2 * HOUR)
    merge_profiles([cleo.pk, dan.pk], into=cleo.pk, user=None, now=now + 2 * HOUR)

    undo(joining, now=now + 3 * HOUR)

    assert list(Membership.objects.values_list("profile", "entered_at")) == [(ann.pk, now + HOUR)]
    assert not DisplacedMembership.objects.exists()


def test_what_is_under_way_is_not_taken_back(now):
    joining = queue(StaticSegmentFactory(), [ProfileFactory()])

    with pytest.raises(ValidationError, match="still under way"):
        queue_taking_back(joining, user=UserFactory())


def test_of_a_segment_in_the_archive_nobody_is_taken_out(now):
    segment = StaticSegmentFactory()
    joining = do(segment, [ProfileFactory()], now=now)
    run = queue_taking_back(joining, user=UserFactory())
    archive_segment(segment, user=UserFactory(), now=now)

    with pytest.raises(RefusedError, match="archived"):
        take_back(run, now=now + HOUR)

    assert len(members()) == 1


def test_who_is_named_by_two_lists_is_out_when_both_are_taken_back(now):
    segment, (ann, bob, cleo) = StaticSegmentFactory(), ProfileFactory.create_batch(3)
    first = do(segment, [ann, bob], now=now)
    second = do(segment, [bob, cleo], now=now + HOUR)

    run = undo(first, now=now + 2 * HOUR)
    assert members() == [bob.pk, cleo.pk]
    assert run.counts == {"taken_back": 1, "kept": 1}
    run = undo(second, now=now + 3 * HOUR)

    assert members() == []
    assert run.counts == {"taken_back": 2, "kept": 0}


def test_the_later_of_two_lists_is_taken_back_first(now):
    segment, (ann, bob, cleo) = StaticSegmentFactory(), ProfileFactory.create_batch(3)
    first = do(segment, [ann, bob], now=now)
    second = do(segment, [bob, cleo], now=now + HOUR)

    undo(second, now=now + 2 * HOUR)
    assert members() == [ann.pk, bob.pk]
    undo(first, now=now + 3 * HOUR)

    assert members() == []


def test_a_list_names_also_whoever_was_merged_since(now):
    segment, (ann, bob) = StaticSegmentFactory(), ProfileFactory.create_batch(2)
    first = do(segment, [ann], now=now)
    do(segment, [bob], now=now + HOUR)
    merge_profiles([ann.pk, bob.pk], into=ann.pk, user=None, now=now + 2 * HOUR)

    undo(first, now=now + 3 * HOUR)

    assert members() == [ann.pk]


def test_what_a_cancelled_list_did_not_come_to_does_not_keep(now):
    segment, people = StaticSegmentFactory(), ProfileFactory.create_batch(4)
    first = do(segment, people, now=now)
    second = queue(segment, people)
    Run.objects.filter(pk=second.run.pk).update(state=Run.State.CANCELLED, done=2, ended_at=now)

    undo(first, now=now + HOUR)

    assert members() == [person.pk for person in people[:2]]


def test_whom_a_list_kept_in_that_was_cancelled_before_it_came_to_them_goes_with_it(now):
    segment, people = StaticSegmentFactory(), ProfileFactory.create_batch(4)
    first = do(segment, people, now=now)
    second = queue(segment, people)

    undo(first, now=now + HOUR)
    assert members() == [person.pk for person in people]  # it is about to name them
    Run.objects.filter(pk=second.run.pk).update(state=Run.State.CANCELLED, done=2, ended_at=now + HOUR)
    undo(second, now=now + 2 * HOUR)

    assert members() == []
