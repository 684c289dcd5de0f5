"""Members by hand when people merge, are taken apart and erased: they are facts, which go back where they were."""

from datetime import timedelta

import pytest

from cdp.rules.causes import Cause
from profiles.models import Identifier, ProfileMerge
from profiles.services.identity import merge_profiles, preview_undo, split_profile, undo_merge
from segments.models import DisplacedMembership, Membership, MembershipChange, Segment
from segments.services import add_members, remove_members
from tests.factories.profiles import SourceFactory
from tests.factories.segments import StaticSegmentFactory
from tests.profiles.ingest.messages import START, identify, profile_of, send

pytestmark = pytest.mark.django_db
NOW = START + timedelta(days=9)
DAY = timedelta(days=1)


@pytest.fixture
def people():
    """Ann, Bob and Cleo, first seen in this order."""
    shop = SourceFactory()
    for at, name in enumerate("abc"):
        send(shop, identify(anonymous=name, at=at))
    return [profile_of("anonymous_id", name) for name in "abc"]


@pytest.fixture
def guests():
    return StaticSegmentFactory(key="guests")


def merge(*profiles):
    merge_profiles([profile.pk for profile in profiles], user=None, now=NOW)


def undo(absorbed):
    undo_merge(ProfileMerge.objects.get(absorbed=absorbed, undone_at=None), user=None, now=NOW)


def members():
    return set(Membership.objects.values_list("profile", "origin", "entered_at"))


def replayed():
    inside = set()
    for profile, change in MembershipChange.objects.order_by("id").values_list("profile", "change"):
        (inside.add if change == "entered" else inside.remove)(profile)
    return inside


def check(guests):
    """The feed and the count say who is in."""
    inside = {profile for profile, _origin, _at in members()}
    assert replayed() == inside
    assert Segment.objects.get(pk=guests.pk).n_members == len(inside)


def test_it_moves_with_the_person_and_comes_back(people, guests):
    ann, bob, _cleo = people
    add_members(guests, [bob.pk], now=NOW - DAY)

    merge(ann, bob)
    assert members() == {(ann.pk, bob.pk, NOW - DAY)}
    check(guests)

    undo(bob)
    assert members() == {(bob.pk, bob.pk, NOW - DAY)}
    check(guests)
    causes = MembershipChange.objects.order_by("id").values_list("profile", "change", "cause")
    assert list(causes)[1:] == [
        (bob.pk, "left", Cause.MERGE), (ann.pk, "entered", Cause.MERGE),
        (ann.pk, "left", Cause.SPLIT), (bob.pk, "entered", Cause.SPLIT),
    ]  # fmt: skip


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
@pytest.mark.parametrize("days", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (1, 1, 1)])
def test_everybody_is_back_since_when_they_were_in(people, guests, order, days):
    ann, bob, cleo = people
    for person, since in zip(people, days, strict=True):
        add_members(guests, [person.pk], now=NOW - since * DAY)
    before = members()
    merge(bob, cleo)
    merge(ann, bob)
    assert [(profile, at) for profile, _origin, at in members()] == [(ann.pk, NOW - max(days) * DAY)]
    check(guests)

    for number in order:
        undo(people[number])
        check(guests)

    assert members() == before
    assert not DisplacedMembership.objects.exists()


@pytest.mark.parametrize(("days", "back"), [((1, 3, 2), 2), ((2, 3, 1), 0), ((2, 3, 2), 0)])
def test_of_several_that_gave_way_the_earliest_comes_back_and_ones_own_of_equals(people, guests, days, back):
    ann, bob, cleo = people
    for person, since in zip(people, days, strict=True):
        add_members(guests, [person.pk], now=NOW - since * DAY)
    merge(ann, bob)
    merge(ann, cleo)
    assert members() == {(ann.pk, bob.pk, NOW - 3 * DAY)}

    undo(bob)

    assert members() == {(bob.pk, bob.pk, NOW - 3 * DAY), (ann.pk, people[back].pk, NOW - days[back] * DAY)}
    check(guests)


def test_who_was_taken_out_of_it_stays_out(people, guests):
    ann, bob, _cleo = people
    add_members(guests, [ann.pk, bob.pk], now=NOW - DAY)
    merge(ann, bob)
    remove_members(guests, [ann.pk], now=NOW)

    undo(bob)

    assert members() == set()
    check(guests)


def test_what_was_written_after_the_merge_stays_unless_it_is_chosen(people, guests):
    ann, bob, _cleo = people
    others = StaticSegmentFactory(key="others")
    merge(ann, bob)
    add_members(guests, [ann.pk], now=NOW)
    add_members(others, [ann.pk], now=NOW)
    merge_of_bob = ProfileMerge.objects.get(absorbed=bob)
    shown = {row.label: row for row in preview_undo(merge_of_bob).hand_made}
    assert {label: row.goes for label, row in shown.items()} == {guests.name: False, others.name: False}

    undo_merge(merge_of_bob, user=None, now=NOW, along=[shown[others.name].ref])

    assert set(Membership.objects.values_list("segment", "profile")) == {(guests.pk, ann.pk), (others.pk, bob.pk)}
    assert dict(Segment.objects.values_list("key", "n_members")) == {"guests": 1, "others": 1}


def test_a_new_profile_gets_nothing_of_it(people, guests):
    ann, _bob, _cleo = people
    add_members(guests, [ann.pk], now=NOW - DAY)
    other = {"context": {"externalIds": [{"type": "anonymous_id", "id": "x"}]}}
    send(SourceFactory(), identify(anonymous="a", at=31) | other)

    split_profile(ann, Identifier.objects.filter(value="x"), user=None, now=NOW)

    assert members() == {(ann.pk, ann.pk, NOW - DAY)}
    check(guests)
