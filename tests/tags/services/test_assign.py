"""Putting tags on and taking them off by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError

from profiles.models import ProfileChange
from profiles.refresh.changes import refresh_changes
from profiles.refresh.clock import follow_time
from segments.models import Membership, MembershipChange
from tags.models import TagAssignment
from tags.services import assign_tag, unassign_tag
from tests.factories.cdp import UserFactory
from tests.factories.profiles import ProfileFactory
from tests.factories.segments import SegmentFactory, lives_in
from tests.factories.tags import TagFactory, TagValueFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)


def queue() -> list[tuple[int, str, datetime]]:
    return list(ProfileChange.objects.order_by("id").values_list("profile_id", "topic", "due_at"))


def test_tag_is_put_on_and_told():
    tag, ann, bob, user = TagFactory(key="vip"), ProfileFactory(), ProfileFactory(), UserFactory()

    assert assign_tag(tag, [ann.pk, bob.pk], user=user, now=NOW) == (2, 0)

    row = TagAssignment.objects.get(profile=ann)
    assert (row.origin, row.assigned_by, row.assigned_at, row.expires_at) == (ann, user, NOW, None)
    assert queue() == [(ann.pk, "tag:vip", NOW), (bob.pk, "tag:vip", NOW)]


def test_who_carries_it_so_already_is_unchanged():
    tag, ann = TagFactory(), ProfileFactory()
    assign_tag(tag, [ann.pk], now=NOW)

    assert assign_tag(tag, [ann.pk], now=NOW + timedelta(days=1)) == (0, 1)

    assert TagAssignment.objects.get().assigned_at == NOW
    assert len(queue()) == 1


def test_another_value_replaces_the_first():
    tag, ann = TagFactory(), ProfileFactory()
    gold, silver = TagValueFactory(tag=tag), TagValueFactory(tag=tag)
    assign_tag(tag, [ann.pk], value=gold, now=NOW)

    assert assign_tag(tag, [ann.pk], value=silver, now=NOW) == (1, 0)
    assert TagAssignment.objects.get().value == silver


def test_absorbed_profile_means_its_survivor():
    tag, ann = TagFactory(), ProfileFactory()
    absorbed = ProfileFactory(merged_into=ann)

    assert assign_tag(tag, [absorbed.pk, ann.pk, 987654], now=NOW) == (1, 0)
    assert TagAssignment.objects.get().profile == ann


def test_rules_follow_the_tag_until_it_ends():
    ann, tag = ProfileFactory(), TagFactory(key="vip")
    SegmentFactory(rule={"op": "tag", "key": "vip"})
    end = NOW + timedelta(days=3)
    follow_time(now=NOW)
    assign_tag(tag, [ann.pk], expires_at=end, now=NOW)

    refresh_changes(now=NOW)
    assert Membership.objects.filter(profile=ann).exists()

    follow_time(now=end - timedelta(microseconds=1))
    assert refresh_changes(now=end) == 0

    follow_time(now=end)
    refresh_changes(now=end)
    assert not Membership.objects.exists()
    assert list(MembershipChange.objects.order_by("id").values_list("cause", flat=True)) == ["data", "time"]


def test_tag_is_taken_off_and_told():
    tag, ann, bob = TagFactory(key="vip"), ProfileFactory(), ProfileFactory()
    assign_tag(tag, [ann.pk], now=NOW)

    assert unassign_tag(tag, [ann.pk, bob.pk], now=NOW) == (1, 1)

    assert not TagAssignment.objects.exists()
    assert queue()[1:] == [(ann.pk, "tag:vip", NOW)]


def test_tag_by_rule_is_not_for_hands():
    tag, ann = TagFactory(kind="rule", rule=lives_in("Oslo")), ProfileFactory()

    for by_hand in (assign_tag, unassign_tag):
        with pytest.raises(ValidationError, match="by its rule"):
            by_hand(tag, [ann.pk], now=NOW)
    assert queue() == []


def test_value_must_be_the_tags_own():
    tag, ann = TagFactory(), ProfileFactory()
    TagValueFactory(tag=tag, key="gold")

    with pytest.raises(ValidationError, match="needs a value: gold"):
        assign_tag(tag, [ann.pk], now=NOW)
    with pytest.raises(ValidationError, match="is not a value of"):
        assign_tag(tag, [ann.pk], value=TagValueFactory(), now=NOW)


def test_end_in_the_past_is_refused():
    with pytest.raises(ValidationError, match="future"):
        assign_tag(TagFactory(), [ProfileFactory().pk], expires_at=NOW, now=NOW)


def test_a_thousand_cost_as_many_queries_as_one(django_assert_num_queries):
    tag = TagFactory()
    for number_of_people in (1, 20):
        ids = [ProfileFactory().pk for _number in range(number_of_people)]
        with django_assert_num_queries(16):
            assign_tag(tag, ids, now=NOW)
