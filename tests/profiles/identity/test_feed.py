"""The feed of who is whom."""

from datetime import timedelta

import pytest

from profiles.models import Identifier, IdentityChange, ProfileMerge
from profiles.services.identity import merge_profiles, split_profile, undo_merge
from tests.factories.profiles import SourceFactory
from tests.profiles.ingest.messages import START, profile_of, send, track

pytestmark = pytest.mark.django_db
NOW = START + timedelta(days=1)


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
