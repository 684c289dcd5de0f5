"""Deciding about conflicts."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import transaction

from cdp.feeds import FeedLock, lock_feed
from profiles.identity.errors import IdentityError, KeptApartError
from profiles.models import Identifier, IdentityConflict, ProfileMerge
from profiles.refresh.people import lock_profiles
from profiles.services.identity import conflicts, undo_merge
from profiles.services.identity.conflicts import (
    dismiss_conflict,
    dismiss_conflicts,
    open_by_identifier,
    reopen_conflict,
    settle_by_merge,
    settle_by_move,
)
from tests.elsewhere import Elsewhere
from tests.factories.cdp import UserFactory
from tests.factories.profiles import ConflictFactory, IdentifierFactory, SourceFactory
from tests.profiles.ingest.messages import START, event_names, identify, profile_of, send, track

pytestmark = pytest.mark.django_db
NOW = START + timedelta(days=1)


@pytest.fixture
def shop():
    return SourceFactory(key="shop")


def shared_device(shop):
    """B logs in on the device of A, which stays with A."""
    send(shop, identify(user="a", anonymous="device", at=0), identify(user="b", anonymous="device", at=1))
    return IdentityConflict.objects.get()


def again(shop, at):
    send(shop, identify(user="b", anonymous="device", at=at))


def test_a_dismissed_conflict_says_who_and_why_and_stays_so_when_it_comes_again(shop):
    conflict, operator = shared_device(shop), UserFactory()

    dismiss_conflict(conflict, note="A couple.", user=operator, now=NOW)
    again(shop, at=2)

    conflict.refresh_from_db()
    assert (conflict.state, conflict.note, conflict.settled_by, conflict.settled_at) == (
        "dismissed", "A couple.", operator, NOW
    )  # fmt: skip
    assert conflict.n_messages == 2
    assert not IdentityConflict.objects.open().exists()


def test_a_settled_conflict_that_comes_again_is_open_again(shop):
    conflict = shared_device(shop)
    IdentityConflict.objects.update(state="settled")

    again(shop, at=2)

    assert list(IdentityConflict.objects.open()) == [conflict]


@pytest.mark.parametrize("settle", [settle_by_merge, settle_by_move])
def test_two_who_are_one_person_by_now_cannot_be_made_one_again(shop, settle):
    conflict = shared_device(shop)
    settle_by_move(conflict, user=None, now=NOW)

    with pytest.raises(IdentityError, match=r"These are one person already\."):
        settle(IdentityConflict.objects.get(), user=None, now=NOW)


def as_they_are():
    return [list(model.objects.order_by("pk").values()) for model in (IdentityConflict, Identifier, ProfileMerge)]


def test_what_was_decided_meanwhile_is_not_decided_otherwise(shop):
    conflict = shared_device(shop)
    dismiss_conflict(conflict, note="A couple.", user=None, now=NOW)
    dismissed = as_they_are()

    with pytest.raises(IdentityError, match=r"This conflict was decided meanwhile: Dismissed\. Open it again first\."):
        settle_by_move(conflict, user=None, now=NOW)
    unchanged = as_they_are() == dismissed
    reopen_conflict(conflict, user=None, now=NOW)
    settle_by_move(conflict, user=None, now=NOW)
    settled = as_they_are()
    with pytest.raises(IdentityError, match="decided meanwhile: Settled"):
        dismiss_conflict(conflict, note="", user=None, now=NOW)
    with pytest.raises(IdentityError, match="one person already"):
        reopen_conflict(conflict, user=None, now=NOW)

    assert unchanged
    assert as_they_are() == settled


@pytest.mark.parametrize("settle", [settle_by_merge, settle_by_move, reopen_conflict])
def test_a_conflict_that_went_with_its_identifier_is_not_decided(shop, settle):
    conflict = shared_device(shop)
    IdentityConflict.objects.all().delete()
    Identifier.objects.filter(pk=conflict.left_out_id).delete()

    with pytest.raises(IdentityError, match="is there no more"):
        settle(conflict, user=None, now=NOW)

    assert not ProfileMerge.objects.exists()


def test_a_dismissed_conflict_can_be_opened_again_and_keeps_its_note(shop):
    conflict = shared_device(shop)
    dismiss_conflict(conflict, note="A couple.", user=None, now=NOW)

    reopen_conflict(conflict, user=None, now=NOW)

    assert (conflict.state, conflict.note) == ("open", "A couple.")
    with pytest.raises(IdentityError, match="in that state already"):
        reopen_conflict(conflict, user=None, now=NOW)


def test_a_merge_that_a_limit_forbids_settles_nothing(shop):
    conflict = shared_device(shop)

    with pytest.raises(KeptApartError):
        settle_by_merge(conflict, user=None, now=NOW)

    conflict.refresh_from_db()
    assert (conflict.state, ProfileMerge.objects.count()) == ("open", 0)


def test_two_that_may_be_one_are_merged(shop):
    conflict, operator = shared_device(shop), UserFactory()
    conflict.kind.limit_per_profile = 2
    conflict.kind.save()

    survivor = settle_by_merge(conflict, user=operator, now=NOW)

    assert survivor == profile_of("user_id", "a") == profile_of("user_id", "b")
    assert (conflict.state, conflict.settled_by) == ("settled", operator)


def test_a_conflict_whose_move_is_undone_is_open_again_and_says_who_undid_it(shop):
    conflict, elsewhere = shared_device(shop), ConflictFactory(state="settled")
    settle_by_move(conflict, user=None, now=NOW)
    operator, later = UserFactory(), NOW + timedelta(hours=1)

    undo_merge(ProfileMerge.objects.latest("pk"), user=operator, now=later)

    assert list(IdentityConflict.objects.open()) == [conflict]
    conflict.refresh_from_db()
    assert (conflict.state, conflict.settled_by, conflict.settled_at) == ("open", operator, later)
    entry = LogEntry.objects.get(object_id=str(conflict.pk), user=operator)
    assert entry.get_change_message() == "Changed state."
    elsewhere.refresh_from_db()
    assert elsewhere.state == "settled"


def test_a_conflict_whose_merge_is_undone_is_open_again_and_one_that_was_dismissed_is_not(shop):
    conflict = shared_device(shop)
    conflict.kind.limit_per_profile = 2
    conflict.kind.save()
    dismissed = ConflictFactory(
        anchor=conflict.anchor, left_out=conflict.left_out, state="dismissed", reason="separation", kind=None
    )
    settle_by_merge(conflict, user=None, now=NOW)

    undo_merge(ProfileMerge.objects.latest("pk"), user=None, now=NOW)

    assert list(IdentityConflict.objects.open()) == [conflict]
    dismissed.refresh_from_db()
    assert dismissed.state == "dismissed"


def test_who_became_one_is_no_open_conflict(shop):
    shared_device(shop)
    profile_of("user_id", "b").identifiers.update(profile=profile_of("user_id", "a"))

    assert not IdentityConflict.objects.open().exists()


def test_an_identifier_is_moved_to_whom_the_message_was_of(shop):
    send(shop, track("Viewed", anonymous="device", at=0))
    conflict, operator = shared_device(shop), UserFactory()

    person = settle_by_move(conflict, user=operator, now=NOW)

    assert person == profile_of("user_id", "b") == profile_of("anonymous_id", "device")
    assert event_names(person) == ["Viewed", "$identify"]
    assert event_names(profile_of("user_id", "a")) == ["$identify"]
    assert (conflict.state, conflict.settled_by) == ("settled", operator)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_moving_takes_the_locks_of_people_before_those_of_feeds(shop):
    """A refresh holds the other person, and then writes to a feed that the split has written to."""
    conflict = shared_device(shop)

    with transaction.atomic():
        lock_profiles([profile_of("user_id", "b").pk])
        moving = Elsewhere(lambda: settle_by_move(conflict, user=None, now=NOW))
        assert moving.come_as_far_as_it_can()
        lock_feed(FeedLock.IDENTITY)
    moving.finish()

    assert profile_of("user_id", "b") == profile_of("anonymous_id", "device")


def test_many_are_dismissed_at_once_and_what_was_decided_stays():
    open_ones = ConflictFactory.create_batch(3)
    settled = ConflictFactory(state="settled", note="Moved.")
    operator = UserFactory(username="ann")

    everything = IdentityConflict.objects.all()
    n = dismiss_conflicts(everything, note="Till tablet.", user=operator, now=NOW)
    again = dismiss_conflicts(everything, note="Again.", user=None, now=NOW + timedelta(days=1))

    assert (n, again) == (3, 0)
    rows = IdentityConflict.objects.order_by("pk").values_list("state", "note", "settled_by__username", "settled_at")
    assert list(rows) == [("dismissed", "Till tablet.", "ann", NOW)] * 3 + [("settled", "Moved.", None, None)]
    entries = LogEntry.objects.order_by("object_id").values_list("user__username", "object_id", "change_message")
    assert [(name, pk) for name, pk, _said in entries] == [("ann", str(each.pk)) for each in open_ones]
    assert {said for _name, _pk, said in entries} == {
        '[{"changed": {"fields": ["state"]}, "values": {"state": ["open", "dismissed"]}}]'
    }
    assert settled.pk not in [int(pk) for _name, pk, _said in entries]


def test_no_more_are_dismissed_than_was_said_the_oldest_first(monkeypatch):
    monkeypatch.setattr(conflicts, "AT_ONCE", 2)
    first = ConflictFactory.create_batch(7)

    assert dismiss_conflicts(IdentityConflict.objects.all(), note="", user=None, now=NOW, limit=5) == 5

    assert list(IdentityConflict.objects.open().order_by("pk")) == first[5:]


def test_open_conflicts_are_counted_by_identifier_on_either_side():
    tablet, ann = IdentifierFactory(kind_key="anonymous_id"), IdentifierFactory()
    ConflictFactory(left_out=tablet)
    ConflictFactory(left_out=tablet, anchor=ann)
    ConflictFactory(anchor=tablet, left_out=ann)
    ConflictFactory(left_out=tablet, state="dismissed")
    ConflictFactory(left_out=tablet, anchor__profile=tablet.profile)

    assert open_by_identifier([tablet.pk, ann.pk]) == {tablet.pk: 3, ann.pk: 2}


def test_a_decision_stands_in_the_audit(shop):
    conflict, operator = shared_device(shop), UserFactory()

    dismiss_conflict(conflict, note="Ann and Bob", user=operator, now=NOW)
    reopen_conflict(conflict, user=operator, now=NOW)

    said = list(LogEntry.objects.order_by("pk").values_list("user", "object_id", "change_message"))
    moved = '[{"changed": {"fields": ["state"]}, "values": {"state": %s}}]'
    assert said == [
        (operator.pk, str(conflict.pk), moved % '["open", "dismissed"]'),
        (operator.pk, str(conflict.pk), moved % '["dismissed", "open"]'),
    ]
