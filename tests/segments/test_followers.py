"""Memberships and standings at a merge."""

from datetime import UTC, datetime, timedelta

import pytest

from cdp.rules.causes import Cause
from profiles.followers import Merged, all_followers
from profiles.models import Inheritance
from segments.models import Membership, MembershipChange, Segment, TierChange, TierStanding
from tests.factories.profiles import ProfileChangeFactory, ProfileFactory
from tests.factories.segments import MembershipFactory, SegmentFactory, TierSchemeFactory, TierStandingFactory, lives_in
from tests.profiles.refresh.shorthand import change, drain, person

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)
DAY = timedelta(days=1)


def merge(survivor, *absorbed):
    for follower in all_followers():
        if follower.model._meta.app_label == "segments":
            follower.merge([Merged(profile.pk, survivor.pk) for profile in absorbed], now=NOW)


def judge(*profiles):
    """As the refresh does with what a merge puts on the queue."""
    for profile in profiles:
        ProfileChangeFactory(profile_id=profile.pk, topic="merge", due_at=NOW)
    drain(now=NOW)


def feed():
    return list(MembershipChange.objects.order_by("id").values_list("profile", "change", "cause", "at"))


def test_survivor_enters_since_the_earlier():
    ann, first, second = person(city="Oslo"), ProfileFactory(), ProfileFactory()
    segment = SegmentFactory(n_members=2)
    MembershipFactory(segment=segment, profile=first, entered_at=NOW - DAY)
    MembershipFactory(segment=segment, profile=second, entered_at=NOW - 2 * DAY)

    merge(ann, first, second)
    judge(ann)

    assert list(Membership.objects.values_list("profile", "entered_at")) == [(ann.pk, NOW - 2 * DAY)]
    assert feed() == [
        (first.pk, "left", Cause.MERGE, NOW),
        (second.pk, "left", Cause.MERGE, NOW),
        (ann.pk, "entered", Cause.MERGE, NOW),
    ]
    assert Segment.objects.get().n_members == 1


def test_survivor_that_does_not_belong_there_never_enters():
    ann, absorbed = person(city="Rome"), ProfileFactory()
    MembershipFactory(segment=SegmentFactory(n_members=1), profile=absorbed)

    merge(ann, absorbed)
    judge(ann)

    assert feed() == [(absorbed.pk, "left", Cause.MERGE, NOW)]
    assert not Inheritance.objects.exists()


def test_who_comes_to_belong_there_later_is_in_since_then():
    ann, absorbed = person(city="Rome"), ProfileFactory()
    MembershipFactory(segment=SegmentFactory(n_members=1), profile=absorbed)
    merge(ann, absorbed)
    judge(ann)

    change(ann, city="Oslo")
    drain(now=NOW + DAY)

    assert Membership.objects.get().entered_at == NOW + DAY


def test_a_segment_in_the_archive_which_nothing_judges_is_entered_at_once():
    ann, absorbed = person(city="Rome"), ProfileFactory()
    member = MembershipFactory(segment=SegmentFactory(n_members=1, archived_at=NOW), profile=absorbed)

    merge(ann, absorbed)

    assert list(Membership.objects.values_list("profile", "entered_at")) == [(ann.pk, member.entered_at)]
    assert feed() == [(absorbed.pk, "left", Cause.MERGE, NOW), (ann.pk, "entered", Cause.MERGE, NOW)]


def test_survivor_that_is_in_does_not_enter_again():
    ann, absorbed = ProfileFactory(), ProfileFactory()
    segment = SegmentFactory(n_members=2)
    MembershipFactory(segment=segment, profile=ann, entered_at=NOW - DAY)
    MembershipFactory(segment=segment, profile=absorbed, entered_at=NOW - 2 * DAY)

    merge(ann, absorbed)

    assert list(Membership.objects.values_list("profile", "entered_at")) == [(ann.pk, NOW - 2 * DAY)]
    assert feed() == [(absorbed.pk, "left", Cause.MERGE, NOW)]
    assert Segment.objects.get().n_members == 1


def test_who_was_in_nothing_writes_nothing():
    merge(ProfileFactory(), ProfileFactory())

    assert feed() == []


def test_survivor_without_a_standing_stands_since_one_of_them_did():
    ann, first, second = person(city="Oslo"), ProfileFactory(), ProfileFactory()
    scheme = TierSchemeFactory(tiers={"gold": lives_in("Oslo"), "basic": None})
    gold, basic = scheme.tiers.get(key="gold"), scheme.tiers.get(key="basic")
    TierStandingFactory(profile=first, tier=basic)
    TierStandingFactory(profile=second, tier=gold, entered_at=NOW - DAY)

    merge(ann, first, second)
    judge(ann)

    assert list(TierStanding.objects.values_list("profile", "tier", "entered_at")) == [(ann.pk, gold.pk, NOW - DAY)]
    moves = TierChange.objects.values_list("profile", "before", "after", "cause")
    assert set(moves) == {
        (first.pk, "basic", None, Cause.MERGE),
        (second.pk, "gold", None, Cause.MERGE),
        (ann.pk, None, "gold", Cause.MERGE),
    }


def test_survivors_own_standing_stays():
    ann, absorbed = ProfileFactory(), ProfileFactory()
    scheme = TierSchemeFactory(tiers={"gold": lives_in("Oslo"), "basic": None})
    own = TierStandingFactory(profile=ann, tier=scheme.tiers.get(key="basic"))
    TierStandingFactory(profile=absorbed, tier=scheme.tiers.get(key="gold"))

    merge(ann, absorbed)

    assert TierStanding.objects.get() == own
    assert TierChange.objects.count() == 1
