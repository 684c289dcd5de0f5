"""Snapshots, copies, and the archive."""

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError

from cdp.models import Run
from cdp.rules.causes import Cause
from cdp.rules.errors import RuleError
from cdp.rules.holders import all_holders
from cdp.runs import RefusedError
from profiles.models import ProfileChange, ProfileMerge
from profiles.refresh.saving import BeingFilled, StillUsed
from profiles.services.identity import merge_profiles, undo_merge
from segments.models import Membership, MembershipChange, Segment
from segments.sections import load_segments
from segments.services import (
    add_members,
    archive_segment,
    delete_segment,
    duplicate_segment,
    restore_segment,
    save_segment,
)
from segments.services.fill import fill_segment
from tests.factories.campaigns import CampaignFactory
from tests.factories.cdp import UserFactory
from tests.factories.profiles import SEEN_AT, IdentifierFactory, ProfileFactory
from tests.factories.segments import MembershipFactory, SegmentFactory, StaticSegmentFactory, lives_in

pytestmark = pytest.mark.django_db


def of_oslo(n):
    return [ProfileFactory(attributes={"city": "Oslo"}) for _index in range(n)]


def snapshot(**values):
    segment = Segment(key="frozen", name="Frozen", kind="snapshot", rule=lives_in("Oslo"), **values)
    save_segment(segment)
    return segment


def members(key):
    return set(Membership.objects.filter(segment__key=key).values_list("profile_id", flat=True))


def run_fills():
    """What the workers do with the queued fillings."""
    for run in Run.objects.filter(kind="fill", state="queued").order_by("pk"):
        fill_segment(run.subject.split(":")[1], source=run.params.get("from"), now=SEEN_AT, run=run)
        run.state = "succeeded"
        run.save()


def test_a_snapshot_is_of_those_who_match_as_it_is_filled_and_stays():
    first, second = of_oslo(2)
    snapshot()

    run_fills()
    first.attributes = {"city": "Rome"}
    first.save()
    of_oslo(1)

    stored = Segment.objects.get()
    assert members("frozen") == {first.pk, second.pk}
    assert (stored.n_members, stored.refreshed_at) == (2, SEEN_AT)
    assert all_holders() == []  # nothing refreshes it
    changes = MembershipChange.objects.values_list("change", "cause", "at")
    assert list(changes) == [("entered", Cause.RULE, SEEN_AT)] * 2
    assert set(ProfileChange.objects.values_list("topic", flat=True)) == {"segment:frozen"}  # rules may speak of it


def test_the_filling_of_what_was_deleted_meanwhile_says_so():
    delete_segment(snapshot())

    with pytest.raises(RefusedError, match="The segment was deleted meanwhile"):
        run_fills()


def test_a_filling_that_was_cut_off_is_of_one_moment():
    first, second = of_oslo(2)
    segment = snapshot()
    MembershipFactory(segment=segment, profile=first, origin=first)
    first.attributes = {}
    first.save()

    run_fills()

    assert members("frozen") == {second.pk}


def test_a_snapshot_keeps_its_rule_and_takes_nobody_by_hand():
    segment = snapshot()
    person = ProfileFactory()

    with pytest.raises(ValidationError, match="snapshot"):
        add_members(segment, [person.pk], now=SEEN_AT)
    segment.rule = lives_in("Rome")
    with pytest.raises(ValidationError, match="frozen"):
        save_segment(segment)

    assert Segment.objects.get().rule == lives_in("Oslo")


def test_who_was_frozen_comes_back_from_a_merge_as_they_were():
    inside, outside = of_oslo(1)[0], ProfileFactory(attributes={})
    IdentifierFactory(profile=inside, kind_key="email", value="a@example.com")
    IdentifierFactory(profile=outside, kind_key="email", value="b@example.com")
    snapshot()
    run_fills()

    merge_profiles([outside.pk, inside.pk], user=None, now=SEEN_AT)
    together = members("frozen")
    undo_merge(ProfileMerge.objects.get(), user=None, now=SEEN_AT)

    assert len(together) == 1
    assert members("frozen") == {inside.pk}


@pytest.mark.parametrize("kind", ["static", "snapshot"])
def test_a_copy_has_the_members_of_what_is_not_by_rule(kind):
    people = {profile.pk for profile in of_oslo(3)}
    user = UserFactory()
    source = StaticSegmentFactory(key="source", category="VIP") if kind == "static" else snapshot(category="VIP")
    run_fills()
    if kind == "static":
        add_members(source, people, now=SEEN_AT)

    copy = duplicate_segment(source, key="copy", name="Copy", user=user)
    run_fills()

    assert members("copy") == people
    assert (copy.kind, copy.owner, copy.category) == (kind, user, "VIP")
    assert LogEntry.objects.get().object_repr == "Copy"


def test_what_is_archived_by_hand_is_copied_with_its_members_and_not_frozen():
    user, person = UserFactory(), ProfileFactory()
    source = StaticSegmentFactory(key="source")
    add_members(source, [person.pk], now=SEEN_AT)
    archive_segment(source, user=user, now=SEEN_AT)

    duplicate_segment(source, key="copy", name="Copy", user=user)
    with pytest.raises(ValidationError, match="archived: restore it first"):
        duplicate_segment(source, key="frozen", name="Frozen", user=user, as_snapshot=True)
    run_fills()

    assert members("copy") == {person.pk}
    assert Segment.objects.get(key="copy").refresh_error == ""
    assert not Segment.objects.filter(key="frozen").exists()


def test_a_copy_of_what_was_deleted_meanwhile_says_so():
    source = StaticSegmentFactory(key="source")
    duplicate_segment(source, key="copy", name="Copy", user=UserFactory())
    delete_segment(source)

    with pytest.raises(RefusedError, match="copy of was deleted meanwhile"):
        run_fills()


def test_a_copy_of_a_rule_is_refreshed_by_itself():
    source = SegmentFactory(key="source")

    copy = duplicate_segment(source, key="copy", name="Copy", user=UserFactory())

    assert (copy.rule, copy.kind) == (source.rule, "dynamic")
    assert [run.subject for run in Run.objects.all()] == ["segment:copy"]


def test_who_is_in_a_segment_can_be_frozen():
    source = SegmentFactory(key="source")
    inside = MembershipFactory(segment=source).profile

    copy = duplicate_segment(source, key="copy", name="Copy", user=UserFactory(), as_snapshot=True)
    run_fills()

    assert (copy.kind, members("copy")) == ("snapshot", {inside.pk})


def test_what_is_still_being_filled_is_not_frozen():
    segment = Segment(key="new", name="New", rule=lives_in("Oslo"))
    save_segment(segment)
    frozen = snapshot()
    refused = []

    for source in (segment, frozen):
        with pytest.raises(BeingFilled) as caught:
            duplicate_segment(source, key="copy", name="Copy", user=UserFactory(), as_snapshot=True)
        refused += caught.value.messages
    Run.objects.update(state=Run.State.SUCCEEDED)
    copy = duplicate_segment(segment, key="copy", name="Copy", user=UserFactory(), as_snapshot=True)

    assert refused == [f"“{name}” is being filled: try again in a moment." for name in ("New", "Frozen")]
    assert copy.kind == "snapshot"


def test_an_archived_segment_is_out_of_refreshes_rules_and_profiles_and_keeps_its_members():
    segment = SegmentFactory(key="old")
    inside = MembershipFactory(segment=segment).profile

    archive_segment(segment, user=UserFactory(), now=SEEN_AT)

    assert members("old") == {inside.pk}
    assert Segment.objects.get().archived_at == SEEN_AT
    assert all_holders() == []
    assert load_segments([inside.pk]) == {}
    with pytest.raises(RuleError, match="old"):
        save_segment(Segment(key="new", name="New", rule={"op": "segment", "key": "old"}))
    with pytest.raises(ValidationError, match="archived"):
        save_segment(segment)


def test_a_restored_segment_is_refreshed():
    user = UserFactory()
    segment = SegmentFactory(key="old")
    archive_segment(segment, user=user, now=SEEN_AT)

    run = restore_segment(segment, user=user)

    assert Segment.objects.get().archived_at is None
    assert run.subject == "segment:old"
    assert LogEntry.objects.count() == 2
    assert restore_segment(segment, user=user) is None


@pytest.mark.parametrize("used", ["rule", "campaign"])
def test_what_is_used_is_not_archived_and_its_users_are_named(used):
    segment = SegmentFactory(key="old")
    if used == "rule":
        SegmentFactory(name="User", rule={"op": "segment", "key": "old"})
    else:
        CampaignFactory(segment=segment, name="User")

    with pytest.raises(StillUsed, match="User"):
        archive_segment(segment, user=UserFactory(), now=SEEN_AT)

    assert Segment.objects.get(key="old").archived_at is None


def test_what_speaks_of_something_gone_cannot_be_restored():
    inner = SegmentFactory(key="inner")
    outer = SegmentFactory(key="outer", rule={"op": "segment", "key": "inner"})
    archive_segment(outer, user=UserFactory(), now=SEEN_AT)
    delete_segment(inner)

    with pytest.raises(RuleError, match="inner"):
        restore_segment(outer, user=UserFactory())

    assert Segment.objects.get().archived_at == SEEN_AT
