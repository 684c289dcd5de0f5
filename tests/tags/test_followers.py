"""Tags and scores at a merge."""

from datetime import UTC, datetime, timedelta

import pytest

from profiles.followers import Merged, all_followers
from profiles.models import Profile, ProfileMerge
from tags.followers import ScoreFollower, TagAssignmentFollower
from tags.models import Score, TagAssignment
from tests.factories.profiles import ProfileFactory
from tests.factories.segments import lives_in
from tests.factories.tags import ScoreFactory, TagAssignmentFactory, TagFactory, TagValueFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)
DAY = timedelta(days=1)


def merge(survivor: Profile, *absorbed: Profile) -> None:
    ProfileMerge.objects.bulk_create(
        ProfileMerge(
            survivor=survivor,
            absorbed=profile,
            cause="message",
            merged_at=NOW,
            identifiers=[],
            absorbed_before={"attributes": {}},
            survivor_before={"attributes": {}},
        )
        for profile in absorbed
    )
    for follower in all_followers():
        if isinstance(follower, TagAssignmentFollower | ScoreFollower):
            follower.merge([Merged(profile.pk, survivor.pk) for profile in absorbed], now=NOW)


def test_tag_by_hand_moves_and_keeps_its_origin():
    ann, absorbed = ProfileFactory(), ProfileFactory()
    TagAssignmentFactory(profile=absorbed)

    merge(ann, absorbed)

    row = TagAssignment.objects.get()
    assert (row.profile, row.origin) == (ann, absorbed)


def test_tag_by_rule_goes():
    ann, absorbed = ProfileFactory(), ProfileFactory()
    tag = TagFactory(kind="rule", rule=lives_in("Oslo"))
    TagAssignmentFactory(profile=absorbed, tag=tag)
    TagAssignmentFactory(profile=ann, tag=tag)

    merge(ann, absorbed)

    assert TagAssignment.objects.get().profile == ann


def test_later_of_two_tags_stays_and_the_other_is_kept_in_the_merge():
    ann, absorbed = ProfileFactory(), ProfileFactory()
    tag = TagFactory()
    gold, silver = TagValueFactory(tag=tag), TagValueFactory(tag=tag)
    TagAssignmentFactory(profile=ann, tag=tag, value=silver, assigned_at=NOW - DAY)
    TagAssignmentFactory(profile=absorbed, tag=tag, value=gold, assigned_at=NOW)

    merge(ann, absorbed)

    row = TagAssignment.objects.get()
    assert (row.profile, row.value, row.origin) == (ann, gold, absorbed)
    (kept,) = ProfileMerge.objects.get().survivor_before["tags"]
    assert (kept["profile_id"], kept["value_id"], kept["origin_id"]) == (ann.pk, silver.pk, ann.pk)


def test_own_tag_wins_a_tie():
    ann, first, second = ProfileFactory(), ProfileFactory(), ProfileFactory()
    tag = TagFactory()
    rows = {profile: TagAssignmentFactory(profile=profile, tag=tag) for profile in (first, second, ann)}

    merge(ann, first, second)

    assert TagAssignment.objects.get() == rows[ann]
    kept = {merge.absorbed_id: merge.absorbed_before["tags"] for merge in ProfileMerge.objects.all()}
    assert {pk: [row["id"] for row in tags] for pk, tags in kept.items()} == {
        first.pk: [rows[first].pk],
        second.pk: [rows[second].pk],
    }
    assert ProfileMerge.objects.first().absorbed_before["attributes"] == {}


def test_scores_of_the_absorbed_go():
    ann, absorbed = ProfileFactory(), ProfileFactory()
    ScoreFactory(profile=ann)
    ScoreFactory(profile=absorbed)

    merge(ann, absorbed)

    assert Score.objects.get().profile == ann
