"""Putting many people into a segment by hand."""

import pytest
from django.core.exceptions import ValidationError

from cdp.models import Run
from cdp.runs import RefusedError, RunCancelled
from segments.models import BulkJoining, Membership, MembershipChange, Segment
from segments.services import joining as service
from segments.services.joining import put_in, queue_joining, save_people
from segments.services.upkeep import archive_segment
from tests.factories.cdp import UserFactory
from tests.factories.profiles import ProfileFactory
from tests.factories.segments import SegmentFactory, StaticSegmentFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(service, "CHUNK", 2)


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


def test_only_segments_by_hand_are_joined():
    with pytest.raises(ValidationError, match="by its rule"):
        queue(SegmentFactory(), [ProfileFactory()])

    assert not BulkJoining.objects.exists()


def test_of_nobody_no_segment_is_made():
    with pytest.raises(ValidationError, match="Nobody is chosen"):
        save_people([], key="nobody", name="Nobody", chosen_by="a list", user=UserFactory())

    assert not Segment.objects.exists()
    assert not Run.objects.exists()
