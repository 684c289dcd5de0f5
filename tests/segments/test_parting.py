"""Memberships and standings when people are taken apart, and what the refresh makes of both sides."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cdp.rules.causes import Cause
from cdp.rules.holders import holder_of
from profiles.models import Identifier, Inheritance, ProfileMerge
from profiles.refresh.full import refresh_in_full
from profiles.services.identity import merge_profiles, split_profile, undo_merge
from segments.models import Membership, MembershipChange, Segment, TierChange, TierStanding
from tests.factories.profiles import IdentifierFactory, SourceFactory
from tests.factories.segments import MembershipFactory, SegmentFactory, TierSchemeFactory, TierStandingFactory, lives_in
from tests.profiles.ingest.messages import START, identify, profile_of, send
from tests.profiles.refresh.shorthand import drain

pytestmark = pytest.mark.django_db
NOW = START + timedelta(days=9)
DAY = timedelta(days=1)


@pytest.fixture
def people():
    """Ann, Bob and Cleo, who live in Oslo, first seen in this order."""
    shop = SourceFactory()
    for at, name in enumerate("abc"):
        send(shop, identify(anonymous=name, at=at, city="Oslo"))
    return [profile_of("anonymous_id", name) for name in "abc"]


def merge(*profiles):
    merge_profiles([profile.pk for profile in profiles], user=None, now=NOW)


def undo(absorbed):
    undo_merge(ProfileMerge.objects.get(absorbed=absorbed, undone_at=None), user=None, now=NOW)


def members():
    return dict(Membership.objects.values_list("profile", "entered_at"))


def replayed():
    inside = set()
    for profile, change in MembershipChange.objects.order_by("id").values_list("profile", "change"):
        (inside.add if change == "entered" else inside.remove)(profile)
    return inside


def enter(segment, profile, days):
    MembershipFactory(segment=segment, profile=profile, entered_at=NOW - days * DAY)
    MembershipChange.objects.create(segment=segment, profile=profile, change="entered", cause=Cause.DATA, at=NOW)
    Segment.objects.filter(pk=segment.pk).update(n_members=Membership.objects.count())


def test_who_goes_without_those_below_is_back_since_they_themselves_were_in(people):
    ann, bob, cleo = people
    segment = SegmentFactory()
    for each, since in zip(people, (4, 1, 3), strict=True):
        enter(segment, each, since)
    merge(bob, cleo)
    merge(ann, bob)

    split_profile(ann, Identifier.objects.filter(origin=bob), user=None, now=NOW)
    drain(now=NOW)

    assert members() == {ann.pk: NOW - 4 * DAY, bob.pk: NOW - DAY}


@pytest.mark.parametrize("cause", [Cause.CORRECTION, Cause.TIME])
def test_who_is_left_to_the_queue_by_a_full_refresh_keeps_what_waits_for_them(people, cause):
    ann, bob, _cleo = people
    segment = SegmentFactory()
    enter(segment, bob, 3)
    merge(ann, bob)

    refresh_in_full(holder_of(f"segment:{segment.key}"), now=NOW, cause=cause)
    assert ann.pk not in members()
    drain(now=NOW)

    assert members()[ann.pk] == NOW - 3 * DAY
    assert not Inheritance.objects.exists()


def test_what_waits_for_somebody_waits_for_whom_they_are_merged_into(people):
    ann, bob, cleo = people
    enter(SegmentFactory(), cleo, 3)

    merge(bob, cleo)
    merge(ann, bob)
    drain(now=NOW)

    assert members() == {ann.pk: NOW - 3 * DAY}
    assert not Inheritance.objects.exists()


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
@pytest.mark.parametrize("days", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (2, 1, 3)])
def test_everybody_is_back_since_when_they_were_in(people, order, days):
    ann, bob, cleo = people
    segment = SegmentFactory()
    for person, since in zip(people, days, strict=True):
        enter(segment, person, since)
    before = members()
    merge(bob, cleo)
    merge(ann, bob)
    assert members() == {ann.pk: NOW - max(days) * DAY}
    drain(now=NOW)

    for number in order:
        undo(people[number])
    drain(now=NOW)

    assert members() == before
    assert replayed() == before.keys()
    assert Segment.objects.get().n_members == 3
    splits = MembershipChange.objects.filter(cause=Cause.SPLIT)
    assert set(splits.values_list("profile", "change")) == {(bob.pk, "entered"), (cleo.pk, "entered")}


def test_whoever_is_in_by_the_other_alone_leaves_with_the_refresh(people):
    ann, bob, _cleo = people
    segment = SegmentFactory(rule=lives_in("Rome"))
    send(SourceFactory(), identify(anonymous="b", at=30, city="Rome"))
    enter(segment, bob, 1)
    merge(ann, bob)
    drain(now=NOW)
    assert members() == {ann.pk: NOW - DAY}
    undo(bob)
    assert members().keys() == {ann.pk}

    drain(now=NOW)

    assert members() == {bob.pk: NOW - DAY}
    assert replayed() == {bob.pk}
    splits = MembershipChange.objects.filter(cause=Cause.SPLIT)
    assert set(splits.values_list("profile", "change")) == {(bob.pk, "entered"), (ann.pk, "left")}


def test_who_does_not_fit_any_more_never_comes_back(people):
    ann, bob, _cleo = people
    segment = SegmentFactory()
    enter(segment, bob, 1)
    merge(ann, bob)
    drain(now=NOW)
    Segment.objects.update(rule=lives_in("Rome"))
    refresh_in_full(holder_of(f"segment:{segment.key}"), now=NOW, cause=Cause.RULE)

    undo(bob)
    drain(now=NOW)

    assert members() == {} == dict.fromkeys(replayed())
    assert not MembershipChange.objects.filter(cause=Cause.SPLIT).exists()


def test_a_full_refresh_that_comes_first_knows_since_when_too(people):
    _ann, bob, _cleo = people
    segment = SegmentFactory()
    for profile in people:
        enter(segment, profile, 1)
    before = members()
    merge(*people[:2])
    undo(bob)

    refresh_in_full(holder_of(f"segment:{segment.key}"), now=NOW, cause=Cause.RULE)

    assert members() == before
    drain(now=NOW)
    assert members() == before
    assert not Inheritance.objects.exists()


def test_a_new_profile_is_judged_by_the_refresh_alone(people):
    ann, _bob, _cleo = people
    segment = SegmentFactory()
    enter(segment, ann, 1)
    other = {"context": {"externalIds": [{"type": "anonymous_id", "id": "x"}]}}
    send(SourceFactory(), identify(anonymous="a", at=31) | other)

    split_profile(ann, Identifier.objects.filter(value="x"), user=None, now=NOW)

    assert members() == {ann.pk: NOW - DAY}
    assert not MembershipChange.objects.filter(cause=Cause.SPLIT).exists()


def test_who_lives_again_stands_where_it_stood(people):
    ann, bob, cleo = people
    scheme = TierSchemeFactory(tiers={"gold": lives_in("Oslo"), "basic": None})
    for days, profile in enumerate([ann, bob, cleo]):
        TierStandingFactory(profile=profile, tier=scheme.tiers.get(key="gold"), entered_at=NOW - days * DAY)
    before = set(TierStanding.objects.values_list("profile", "tier", "entered_at"))
    merge(ann, bob)
    drain(now=NOW)

    undo(bob)
    drain(now=NOW)

    assert set(TierStanding.objects.values_list("profile", "tier", "entered_at")) == before
    moves = TierChange.objects.order_by("id").values_list("profile", "before", "after", "cause")
    assert list(moves) == [(bob.pk, "gold", None, Cause.MERGE), (bob.pk, None, "gold", Cause.SPLIT)]


def test_an_undo_takes_the_same_queries_however_many_others_were_merged():
    counts = []
    for n in (2, 6):
        segment, profiles = SegmentFactory(), [IdentifierFactory(kind_key="anonymous_id").profile for _ in range(n)]
        for profile in profiles:
            MembershipFactory(segment=segment, profile=profile, entered_at=NOW)
        for other in profiles[1:]:
            merge_profiles([profiles[0].pk, other.pk], user=None, now=NOW, into=profiles[0].pk)
        with CaptureQueriesContext(connection) as queries:
            undo(profiles[1])
        counts.append(len(queries))

    assert counts[0] == counts[1]
