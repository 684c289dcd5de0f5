"""Putting people into a static segment by hand, and taking them out."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from cdp.models import Run
from cdp.rules.causes import Cause
from cdp.rules.errors import RuleError
from cdp.rules.holders import all_holders
from profiles.models import ProfileChange
from profiles.refresh.changes import refresh_changes
from segments.models import Membership, MembershipChange, Segment
from segments.services import add_members, delete_segment, remove_members, save_segment
from tests.factories.cdp import UserFactory
from tests.factories.profiles import ProfileFactory
from tests.factories.segments import SegmentFactory, StaticSegmentFactory, lives_in

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def feed():
    return list(MembershipChange.objects.order_by("id").values_list("profile", "change", "cause", "at"))


def test_people_come_in_and_the_feed_says_so():
    guests, ann, bob, user = StaticSegmentFactory(key="guests"), ProfileFactory(), ProfileFactory(), UserFactory()
    away = ProfileFactory(merged_into=ann)

    assert add_members(guests, [away.pk, ann.pk, bob.pk, 987654], user=user, now=NOW) == (2, 0, [987654])

    row = Membership.objects.get(profile=ann)
    assert (row.origin, row.added_by, row.entered_at, row.import_id) == (ann, user, NOW, None)
    assert feed() == [(ann.pk, "entered", Cause.MANUAL, NOW), (bob.pk, "entered", Cause.MANUAL, NOW)]
    assert set(ProfileChange.objects.values_list("profile_id", "topic")) == {
        (ann.pk, "segment:guests"),
        (bob.pk, "segment:guests"),
    }
    assert Segment.objects.get().n_members == 2


def test_who_is_in_already_stays_in_since_then():
    guests, ann, bob = StaticSegmentFactory(), ProfileFactory(), ProfileFactory()
    add_members(guests, [ann.pk], now=NOW)

    assert add_members(guests, [ann.pk, bob.pk], now=LATER, cause=Cause.IMPORT, import_id=7) == (1, 1, [])

    assert dict(Membership.objects.values_list("profile", "entered_at")) == {ann.pk: NOW, bob.pk: LATER}
    assert feed()[1:] == [(bob.pk, "entered", Cause.IMPORT, LATER)]
    assert Segment.objects.get().n_members == 2


def test_people_are_taken_out():
    guests, ann, bob = StaticSegmentFactory(), ProfileFactory(), ProfileFactory()
    add_members(guests, [ann.pk], now=NOW)

    assert remove_members(guests, [ann.pk, bob.pk, 987654], now=LATER) == (1, 1, [987654])

    assert not Membership.objects.exists()
    assert feed()[1:] == [(ann.pk, "left", Cause.MANUAL, LATER)]
    assert Segment.objects.get().n_members == 0


def test_erased_people_are_nobody():
    erased = ProfileFactory(erased_at=NOW)

    assert add_members(StaticSegmentFactory(), [erased.pk], now=NOW) == (0, 0, [erased.pk])


def test_a_segment_by_rule_is_not_for_hands():
    oslo, ann = SegmentFactory(), ProfileFactory()

    for by_hand in (add_members, remove_members):
        with pytest.raises(ValidationError, match="by its rule"):
            by_hand(oslo, [ann.pk], now=NOW)


def test_rules_follow_their_members_and_the_refresh_never_touches_them():
    guests, ann = StaticSegmentFactory(key="guests"), ProfileFactory()
    party = SegmentFactory(rule={"op": "segment", "key": "guests"})
    add_members(guests, [ann.pk], now=NOW)

    refresh_changes(now=NOW)
    assert set(Membership.objects.values_list("segment", "profile")) == {(guests.pk, ann.pk), (party.pk, ann.pk)}

    remove_members(guests, [ann.pk], now=LATER)
    refresh_changes(now=LATER)
    assert not Membership.objects.exists()
    assert [holder.key for holder in all_holders()] == [f"segment:{party.key}"]


def test_a_static_segment_has_no_rule_and_is_not_refreshed():
    guests = Segment(key="guests", name="Guests", kind="static")

    assert save_segment(guests) is None
    guests.name = "All guests"
    assert save_segment(guests, expected_version=1) is None

    assert not Run.objects.exists()
    guests.rule = lives_in("Oslo")
    with pytest.raises(ValidationError, match="no rule"):
        save_segment(guests)


def test_a_segment_by_rule_needs_one_and_the_kind_stays():
    with pytest.raises(RuleError):
        save_segment(Segment(key="oslo", name="Oslo", rule=None))
    oslo = SegmentFactory()
    oslo.kind, oslo.rule = "static", None
    with pytest.raises(ValidationError, match="kind cannot be changed"):
        save_segment(oslo)


@pytest.mark.parametrize("wrong", [{"kind": "static", "rule": lives_in("Oslo")}, {"kind": "dynamic", "rule": None}])
def test_the_database_keeps_rule_and_kind_together(wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        Segment.objects.create(key="a", name="A", **wrong)


def test_a_static_segment_that_rules_speak_of_is_not_deleted():
    guests = StaticSegmentFactory(key="guests")
    party = SegmentFactory(rule={"op": "segment", "key": "guests"})

    with pytest.raises(ValidationError, match=party.name):
        delete_segment(guests)


def test_twenty_cost_as_many_queries_as_one(django_assert_num_queries):
    guests = StaticSegmentFactory()
    for number_of_people in (1, 20):
        ids = [ProfileFactory().pk for _number in range(number_of_people)]
        with django_assert_num_queries(15):
            add_members(guests, ids, now=NOW)
