"""Tags and scores at a merge."""

from datetime import UTC, datetime, timedelta

import pytest

from profiles.followers import Merged, Parted, all_followers
from profiles.models import Profile
from tags.followers import DisplacedTagFollower, ScoreFollower, TagAssignmentFollower
from tags.models import DisplacedTag, Score, TagAssignment, TagChange
from tags.services.assign import assign_tag, unassign_tag
from tags.services.expiry import KEEP_ENDED, end_expired, purge_ended
from tests.factories.profiles import ProfileChangeFactory, ProfileFactory
from tests.factories.segments import lives_in
from tests.factories.tags import ScoreFactory, TagAssignmentFactory, TagFactory, TagValueFactory
from tests.profiles.refresh.shorthand import drain, person

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)
DAY = timedelta(days=1)


def merge(survivor: Profile, *absorbed: Profile) -> None:
    for follower in all_followers():
        if isinstance(follower, TagAssignmentFollower | DisplacedTagFollower | ScoreFollower):
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


def test_tag_by_rule_is_carried_since_the_absorbed_carried_it():
    ann, absorbed = person(city="Oslo"), ProfileFactory()
    tag = TagFactory(kind="rule", rule=lives_in("Oslo"))
    TagAssignmentFactory(profile=absorbed, tag=tag, assigned_at=NOW - DAY)

    merge(ann, absorbed)
    ProfileChangeFactory(profile_id=ann.pk, topic="merge", due_at=NOW)
    drain(now=NOW)

    assert list(TagAssignment.objects.values_list("profile", "assigned_at")) == [(ann.pk, NOW - DAY)]


def test_tag_by_score_in_use_is_left_to_the_refresh_and_an_archived_one_goes_along():
    ann, absorbed = ProfileFactory(), ProfileFactory()
    in_use, archived = TagFactory(kind="score"), TagFactory(kind="score", lifecycle="archived")
    for tag in (in_use, archived):
        TagAssignmentFactory(profile=absorbed, tag=tag, value=TagValueFactory(tag=tag))

    merge(ann, absorbed)

    assert list(TagAssignment.objects.values_list("tag", "profile")) == [(archived.pk, ann.pk)]


def test_later_of_two_tags_stays_and_the_other_is_kept():
    ann, absorbed = ProfileFactory(), ProfileFactory()
    tag = TagFactory()
    gold, silver = TagValueFactory(tag=tag), TagValueFactory(tag=tag)
    TagAssignmentFactory(profile=ann, tag=tag, value=silver, assigned_at=NOW - DAY)
    TagAssignmentFactory(profile=absorbed, tag=tag, value=gold, assigned_at=NOW)

    merge(ann, absorbed)

    row = TagAssignment.objects.get()
    assert (row.profile, row.value, row.origin) == (ann, gold, absorbed)
    kept = DisplacedTag.objects.get()
    assert (kept.profile, kept.value, kept.origin, kept.assigned_at) == (ann, silver, ann, NOW - DAY)


def test_own_tag_wins_a_tie():
    ann, first, second = ProfileFactory(), ProfileFactory(), ProfileFactory()
    tag = TagFactory()
    rows = {profile: TagAssignmentFactory(profile=profile, tag=tag) for profile in (first, second, ann)}

    merge(ann, first, second)

    assert TagAssignment.objects.get() == rows[ann]
    kept = set(DisplacedTag.objects.values_list("profile", "origin"))
    assert kept == {(ann.pk, first.pk), (ann.pk, second.pk)}


def test_scores_of_the_absorbed_go():
    ann, absorbed = ProfileFactory(), ProfileFactory()
    ScoreFactory(profile=ann)
    ScoreFactory(profile=absorbed)

    merge(ann, absorbed)

    assert Score.objects.get().profile == ann


def split(ann: Profile, to: Profile, **parted) -> None:
    for follower in all_followers():
        if isinstance(follower, TagAssignmentFollower | DisplacedTagFollower | ScoreFollower):
            follower.split(Parted(ann.pk, to.pk, identifiers=[], origins=[to.pk], **parted), now=NOW)


def carried(*profiles):
    rows = TagAssignment.objects.filter(profile__in=profiles)
    return set(rows.values_list("profile", "value", "origin", "assigned_at"))


def test_a_split_gives_back_what_was_displaced_on_either_side():
    ann, bob = ProfileFactory(), ProfileFactory()
    for ours, theirs in [(NOW, NOW - DAY), (NOW - DAY, NOW)]:
        tag = TagFactory()
        TagAssignmentFactory(profile=ann, tag=tag, assigned_at=ours, value=TagValueFactory(tag=tag))
        TagAssignmentFactory(profile=bob, tag=tag, assigned_at=theirs, value=TagValueFactory(tag=tag))
    before = carried(ann, bob)
    merge(ann, bob)

    split(ann, bob)

    assert carried(ann, bob) == before
    assert not DisplacedTag.objects.exists()


def test_a_tag_that_was_taken_off_does_not_come_back():
    ann, bob = ProfileFactory(), ProfileFactory()
    tag = TagFactory()
    for profile in (ann, bob):
        TagAssignmentFactory(profile=profile, tag=tag)
    merge(ann, bob)
    unassign_tag(tag, [ann.pk], now=NOW)

    split(ann, bob)

    assert carried(ann, bob) == set()


def test_a_tag_that_somebody_changed_since_stays_and_the_old_one_comes_back():
    ann, bob = ProfileFactory(), ProfileFactory()
    tag = TagFactory()
    gold, silver = TagValueFactory(tag=tag), TagValueFactory(tag=tag)
    TagAssignmentFactory(profile=bob, tag=tag, value=silver, assigned_at=NOW - DAY)
    merge(ann, bob)
    assign_tag(tag, [ann.pk], value=gold, now=NOW)

    split(ann, bob)

    assert carried(ann, bob) == {(ann.pk, gold.pk, ann.pk, NOW), (bob.pk, silver.pk, bob.pk, NOW - DAY)}


def test_displaced_tags_come_back_in_whatever_order_a_chain_is_taken_apart():
    first, second, third = ProfileFactory(), ProfileFactory(), ProfileFactory()
    tag = TagFactory()
    for day, profile in enumerate((second, first, third)):
        TagAssignmentFactory(profile=profile, tag=tag, assigned_at=NOW - day * DAY)
    before = carried(first, second, third)
    merge(second, third)
    merge(first, second)

    split(first, third)
    split(first, second)

    assert carried(first, second, third) == before


@pytest.mark.parametrize(("ends", "is_ended"), [(NOW, True), (NOW + DAY, False), (None, False)])
def test_what_ended_while_it_was_displaced_comes_back_ended_and_is_told_to_nobody(ends, is_ended):
    ann, bob = ProfileFactory(), ProfileFactory()
    tag = TagFactory(key="vip")
    TagAssignmentFactory(profile=ann, tag=tag, assigned_at=NOW - DAY, expires_at=ends)
    TagAssignmentFactory(profile=bob, tag=tag, assigned_at=NOW)
    merge(ann, bob)
    TagChange.objects.all().delete()

    split(ann, bob)

    assert TagAssignment.objects.get(profile=ann).is_ended is is_ended
    told = set(TagChange.objects.values_list("profile", "before", "after"))
    assert told == {(bob.pk, None, "")} | ({(ann.pk, "", None)} if is_ended else set())
    assert end_expired(now=NOW) == 0


def test_one_in_force_comes_back_before_a_later_one_that_has_ended():
    """As it was before the third came: there, too, the one in force had stayed."""
    ann, bob, cleo = ProfileFactory(), ProfileFactory(), ProfileFactory()
    tag = TagFactory()
    TagAssignmentFactory(profile=ann, tag=tag, assigned_at=NOW - 3 * DAY)
    TagAssignmentFactory(profile=bob, tag=tag, assigned_at=NOW - 2 * DAY, expires_at=NOW - DAY, is_ended=True)
    TagAssignmentFactory(profile=cleo, tag=tag, assigned_at=NOW)
    merge(ann, bob)
    merge(ann, cleo)

    split(ann, cleo)

    assert TagAssignment.objects.get(profile=ann).origin == ann
    assert DisplacedTag.objects.get().origin == bob


def test_what_gave_way_comes_back_long_after_what_it_gave_way_to_has_ended():
    ann, bob = ProfileFactory(), ProfileFactory()
    tag = TagFactory()
    TagAssignmentFactory(profile=ann, tag=tag, assigned_at=NOW - 3 * DAY)
    TagAssignmentFactory(profile=bob, tag=tag, assigned_at=NOW - 2 * DAY, expires_at=NOW + DAY)
    merge(ann, bob)
    end_expired(now=NOW + DAY)

    assert purge_ended(now=NOW + DAY + KEEP_ENDED) == 0
    split(ann, bob)

    assert TagAssignment.objects.live(NOW).filter(profile=ann).exists()
    assert not DisplacedTag.objects.exists()
    assert purge_ended(now=NOW + DAY + KEEP_ENDED) == 1


def test_what_somebody_was_given_since_replaces_what_had_given_way_on_the_same_profile():
    ann, bob = ProfileFactory(), ProfileFactory()
    tag = TagFactory()
    silver, gold, platinum = (TagValueFactory(tag=tag) for _ in range(3))
    TagAssignmentFactory(profile=ann, tag=tag, value=silver, assigned_at=NOW - 2 * DAY)
    TagAssignmentFactory(profile=bob, tag=tag, value=gold, assigned_at=NOW - DAY)
    merge(ann, bob)

    assign_tag(tag, [ann.pk], value=platinum, now=NOW)
    split(ann, bob)

    assert carried(ann, bob) == {(ann.pk, platinum.pk, ann.pk, NOW), (bob.pk, gold.pk, bob.pk, NOW - DAY)}
    assert not DisplacedTag.objects.exists()
