"""The history of tags: replaying it gives who carries what, whatever happened."""

from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdp.rules.causes import Cause
from cdp.rules.holders import holder_of
from profiles.followers import all_followers
from profiles.identity.errors import KeptApartError
from profiles.models import Profile, ProfileMerge
from profiles.refresh.changes import refresh_changes
from profiles.refresh.full import refresh_in_full
from profiles.services.identity import merge_profiles, undo_merge
from tags.followers import TagAssignmentFollower
from tags.models import Tag, TagAssignment, TagChange, TagValue
from tags.services import assign_tag, save_tag, unassign_tag
from tags.services.expiry import KEEP_ENDED, end_expired, purge_ended
from tests.factories.cdp import UserFactory
from tests.factories.profiles import ProfileFactory, SourceFactory
from tests.factories.segments import lives_in
from tests.factories.tags import TagFactory, TagValueFactory
from tests.profiles.ingest.messages import START, identify, profile_of, send

pytestmark = pytest.mark.django_db
NOW = START + timedelta(days=9)
DAY = timedelta(days=1)


def replayed():
    """{(tag, profile): value} as the feed tells it."""
    held = {}
    for change in TagChange.objects.order_by("id"):
        key = (change.tag_id, change.profile_id)
        assert held.pop(key, None) == change.before
        assert change.before != change.after
        if change.after is not None:
            held[key] = change.after
    return held


def carriers(now):
    rows = TagAssignment.objects.live(now).values_list("tag", "profile", "value__key")
    return {(tag, profile): value or "" for tag, profile, value in rows}


def moves():
    return list(TagChange.objects.order_by("id").values_list("profile", "before", "after", "cause"))


def crowd():
    """Ann, Bob and Cleo, of Oslo."""
    shop = SourceFactory()
    for at, name in enumerate("abc"):
        send(shop, identify(anonymous=name, at=at, city="Oslo"))
    return [profile_of("anonymous_id", name) for name in "abc"]


def test_a_hand_writes_who_carried_what_from_when_to_when():
    tag, user = TagFactory(), UserFactory()
    gold, silver = TagValueFactory(tag=tag, key="gold"), TagValueFactory(tag=tag, key="silver")
    ann = ProfileFactory()

    assign_tag(tag, [ann.pk], value=gold, user=user, now=NOW)
    assign_tag(tag, [ann.pk], value=gold, expires_at=NOW + 9 * DAY, user=user, now=NOW + DAY)
    assign_tag(tag, [ann.pk], value=silver, now=NOW + 2 * DAY)
    unassign_tag(tag, [ann.pk], now=NOW + 3 * DAY)

    assert moves() == [
        (ann.pk, None, "gold", "manual"),
        (ann.pk, "gold", "silver", "manual"),
        (ann.pk, "silver", None, "manual"),
    ]
    assert list(TagChange.objects.order_by("id").values_list("by", "at")) == [
        (user.pk, NOW),
        (None, NOW + 2 * DAY),
        (None, NOW + 3 * DAY),
    ]


def test_a_rule_writes_its_version():
    tag = TagFactory(kind="rule", rule=lives_in("Oslo"), rule_version=3)
    ann = ProfileFactory(attributes={"city": "Oslo"})

    refresh_in_full(holder_of(f"tag:{tag.key}"), now=NOW, cause=Cause.RULE)

    change = TagChange.objects.get()
    assert (change.profile_id, change.before, change.after, change.cause) == (ann.pk, None, "", "rule")
    assert change.rule_version == 3


def test_a_value_that_goes_is_taken_off_in_the_feed():
    tag = TagFactory(kind="rule")
    for key, city in (("a", "Oslo"), ("b", "Rome")):
        TagValueFactory(tag=tag, key=key, rule=lives_in(city))
    ann = ProfileFactory(attributes={"city": "Oslo"})
    refresh_in_full(holder_of(f"tag:{tag.key}"), now=NOW, cause=Cause.RULE)

    save_tag(tag, values=[TagValue(key="b", name="B", rule=lives_in("Rome"))])

    assert moves() == [(ann.pk, None, "a", "rule"), (ann.pk, "a", None, "rule")]
    assert replayed() == carriers(NOW) == {}


def test_what_expires_is_written_once_and_deleted_much_later():
    tag, ann, bob = TagFactory(), ProfileFactory(), ProfileFactory()
    assign_tag(tag, [ann.pk], expires_at=NOW + DAY, now=NOW)
    assign_tag(tag, [bob.pk], expires_at=NOW + 2 * DAY, now=NOW)

    assert end_expired(now=NOW + DAY) == 1
    assert end_expired(now=NOW + DAY) == 0

    assert moves()[2:] == [(ann.pk, "", None, "time")]
    assert replayed() == carriers(NOW + DAY)
    assert purge_ended(now=NOW + DAY + KEEP_ENDED - timedelta(seconds=1)) == 0
    assert purge_ended(now=NOW + DAY + KEEP_ENDED) == 1
    assert list(TagAssignment.objects.values_list("profile", flat=True)) == [bob.pk]


def test_what_expired_is_assigned_anew():
    tag, ann = TagFactory(), ProfileFactory()
    assign_tag(tag, [ann.pk], expires_at=NOW + DAY, now=NOW)
    end_expired(now=NOW + DAY)

    assign_tag(tag, [ann.pk], now=NOW + 2 * DAY)

    assert [move[1:3] for move in moves()] == [(None, ""), ("", None), (None, "")]
    assert replayed() == carriers(NOW + 2 * DAY)


def test_a_merge_and_its_undoing_write_one_row_a_tag_and_profile():
    ann, bob, _cleo = crowd()
    by_hand = TagFactory()
    TagFactory(key="north", kind="rule", rule=lives_in("Oslo"))
    refresh_in_full(holder_of("tag:north"), now=NOW, cause=Cause.RULE)
    assign_tag(by_hand, [bob.pk], now=NOW)
    n_before = TagChange.objects.count()

    merge_profiles([ann.pk, bob.pk], user=None, now=NOW)
    merged = moves()[n_before:]
    refresh_changes(now=NOW)
    undo_merge(ProfileMerge.objects.get(), user=None, now=NOW)
    refresh_changes(now=NOW)

    leaves, enters = (bob.pk, "", None, "merge"), (ann.pk, None, "", "merge")
    assert sorted(merged, key=str) == sorted([leaves, enters, leaves], key=str)  # by rule Ann carries it already
    parted = moves()[n_before + 3 :]
    goes, comes = (ann.pk, "", None, "split"), (bob.pk, None, "", "split")
    assert sorted(parted, key=str) == sorted([goes, comes, comes], key=str)
    assert replayed() == carriers(NOW)


def test_a_survivor_takes_over_what_a_rule_said_of_the_absorbed():
    ann, bob = ProfileFactory(), ProfileFactory()
    tag = TagFactory(kind="rule", lifecycle=Tag.Lifecycle.ARCHIVED, rule=lives_in("Oslo"))
    TagAssignment.objects.create(tag=tag, profile=bob, assigned_at=NOW)

    merge_profiles([ann.pk, bob.pk], user=None, now=NOW)

    survivor = Profile.objects.current().get()
    assert list(tag.assignments.values_list("profile", "assigned_at")) == [(survivor.pk, NOW)]


def test_an_erased_person_carries_nothing_any_more():
    tag, ann = TagFactory(), ProfileFactory()
    assign_tag(tag, [ann.pk], now=NOW)

    for follower in all_followers():
        if isinstance(follower, TagAssignmentFollower):
            follower.erase([ann.pk], now=NOW)

    assert moves()[-1] == (ann.pk, "", None, "erased")
    assert replayed() == {}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["assign", "unassign", "merge", "undo", "wait", "end"]), st.integers(0, 2), st.integers(0, 3)
    ),
    min_size=4,
    max_size=12,
)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_the_feed_replays_to_the_carriers_whatever_happens(steps):
    savepoint = transaction.savepoint()  # a batch of changes insists on being the outermost transaction but the test's
    try:
        tell(steps)
    finally:
        transaction.savepoint_rollback(savepoint)


def tell(steps):
    people = [profile.pk for profile in crowd()]
    tag = TagFactory()
    values = [TagValueFactory(tag=tag) for _ in range(2)]
    TagFactory(key="card", kind="rule", rule={"op": "tag", "key": tag.key, "value": [values[0].key]})
    now = NOW

    for what, place, number in steps:
        match what:
            case "assign":
                end = now + number * DAY if number else None
                assign_tag(tag, [people[place]], value=values[number % 2], expires_at=end, now=now)
            case "unassign":
                unassign_tag(tag, [people[place]], now=now)
            case "merge" if Profile.objects.current().filter(pk__in=[people[place], people[number % 3]]).count() == 2:
                with suppress(KeptApartError):
                    merge_profiles([people[place], people[number % 3]], user=None, now=now)
            case "undo":
                for merge in ProfileMerge.objects.filter(absorbed=people[place], undone_at=None):
                    undo_merge(merge, user=None, now=now)
            case "wait":
                now += (number + 1) * DAY
            case "end":
                end_expired(now=now)
        refresh_changes(now=now)
    end_expired(now=now)

    assert replayed() == carriers(now)
