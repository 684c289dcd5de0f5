"""The feed of who is whom."""

from datetime import timedelta

import pytest

from profiles.models import Identifier, IdentityChange, Profile, ProfileMerge
from profiles.services.identity import merge_profiles, split_profile, undo_merge
from tests.factories.profiles import SourceFactory
from tests.profiles.ingest.messages import START, profile_of, send, track

pytestmark = pytest.mark.django_db
NOW = START + timedelta(days=1)


def replay():
    """Who leads to whom for somebody who read the feed, and nothing else."""
    into = {}
    for profile, change, other, _at in feed():
        if change == "merged":
            into[profile] = other
        else:
            into.pop(other, None)

    def last(profile):
        return last(into[profile]) if profile in into else profile

    return {profile: last(profile) for profile in into}


def feed():
    return list(IdentityChange.objects.order_by("id").values_list("profile", "change", "into", "at"))


def test_merges_and_splits_stand_in_the_feed_in_their_order():
    shop = SourceFactory()
    send(shop, *(track("Viewed", anonymous=name, at=at) for at, name in enumerate("abc")))
    first, second, third = (profile_of("anonymous_id", name) for name in "abc")
    assert feed() == []

    send(
        shop, track("Viewed", anonymous="b", at=9) | {"context": {"externalIds": [{"type": "anonymous_id", "id": "c"}]}}
    )
    merge_profiles([first.pk, second.pk], user=None, now=NOW)
    undo_merge(ProfileMerge.objects.get(absorbed=second), user=None, now=NOW)
    split_profile(second, Identifier.objects.filter(value="c"), user=None, now=NOW)

    assert feed() == [
        (third.public_id, "merged", second.public_id, NOW),
        (second.public_id, "merged", first.public_id, NOW),
        (first.public_id, "split", second.public_id, NOW),
        (third.public_id, "merged", second.public_id, NOW),
        (second.public_id, "split", third.public_id, NOW),
    ]


def test_who_stays_where_one_whom_they_had_gone_into_lives_again_is_told_too():
    """Else a reader leads them to the one who lives again."""
    shop = SourceFactory()
    send(shop, *(track("Viewed", anonymous=name, at=at) for at, name in enumerate("abcd")))
    first, second, third, fourth = (profile_of("anonymous_id", name) for name in "abcd")
    for into, absorbed in [(third, fourth), (second, third), (first, second)]:
        merge_profiles([into.pk, absorbed.pk], user=None, now=NOW)

    split_profile(first, Identifier.objects.filter(value="b"), user=None, now=NOW)

    assert feed()[3:] == [
        (first.public_id, "split", second.public_id, NOW),
        (third.public_id, "merged", first.public_id, NOW),
        (fourth.public_id, "merged", first.public_id, NOW),
    ]
    assert replay() == {
        public_id: into
        for public_id, into in Profile.objects.values_list("public_id", "merged_into__public_id")
        if into
    }
