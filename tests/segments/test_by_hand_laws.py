"""Whatever merges and however people are taken apart again, members by hand are in what they were in."""

from datetime import timedelta

import pytest
from hypothesis import given, settings

from profiles.identity.errors import IdentityError
from profiles.models import Identifier, Profile, ProfileMerge
from profiles.services.identity import merge_profiles, split_profile, undo_merge
from segments.models import Membership, MembershipChange
from segments.services import add_members
from tests.factories.segments import StaticSegmentFactory
from tests.profiles.services.identity.test_laws import NOW, crowds, law, say, world


def members(guests):
    return set(guests.memberships.values_list("profile", "origin", "entered_at"))


def check(guests):
    """The feed and the count say who is in, and these are people."""
    guests.refresh_from_db()
    inside = {profile for profile, _origin, _at in members(guests)}
    replayed = set()
    for profile, change in MembershipChange.objects.order_by("id").values_list("profile", "change"):
        (replayed.add if change == "entered" else replayed.remove)(profile)
    assert replayed == inside
    assert guests.n_members == len(inside)
    assert not Membership.objects.filter(profile__merged_into__isnull=False).exists()


@pytest.mark.django_db
@settings(law, max_examples=20)
@given(crowds())
def test_taking_apart_after_merging_is_the_identity(crowd):
    said, _tagged, inside, merges, random, is_by_split = crowd
    with world() as (source, _tag):
        guests = StaticSegmentFactory()
        for name, at, number in said:
            say(source, [name], at, number)
        people = list(Profile.objects.order_by("pk"))
        for who, days in inside.items():
            add_members(guests, [people[who % len(people)].pk], now=NOW + timedelta(days=days))
        before = members(guests)
        for one, other in merges:
            try:
                merge_profiles([people[one % len(people)].pk, people[other % len(people)].pk], user=None, now=NOW)
            except IdentityError:
                continue  # one person already
            check(guests)
        made = list(ProfileMerge.objects.all())
        random.shuffle(made)
        for merge in made:
            merge.refresh_from_db()
            if is_by_split and merge.undone_at is None:
                mine = Identifier.objects.filter(profile=merge.absorbed.merged_into_id, origin=merge.absorbed)
                split_profile(merge.absorbed, mine, user=None, now=NOW)
            elif merge.undone_at is None:
                undo_merge(merge, user=None, now=NOW)
            check(guests)

        assert members(guests) == before
