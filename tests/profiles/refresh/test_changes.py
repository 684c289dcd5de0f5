"""Refresh by change."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from cdp.rules.causes import Cause
from cdp.runs import execute_run
from profiles.refresh import full as full_module
from profiles.refresh.changes import refresh_changes
from profiles.refresh.full import refresh_one
from profiles.refresh.gates import closed_gate
from profiles.refresh.queue import queue_full_refresh
from segments.holders import SegmentHolder
from segments.models import Membership, MembershipChange, TierChange
from segments.services import save_segment
from tags.models import TagAssignment
from tests.factories.profiles import EventFactory, ProfileChangeFactory, ProfileFactory
from tests.factories.segments import MembershipFactory, SegmentFactory, TierSchemeFactory, lives_in
from tests.factories.tags import TagFactory, TagValueFactory
from tests.profiles.refresh.shorthand import change, drain, full, members, person, queue, replayed, standings

pytestmark = pytest.mark.django_db


def test_empty_queue_takes_nothing(now):
    assert refresh_changes(now=now) == 0


def test_profile_enters_and_leaves_with_its_data(now):
    segment, ann = SegmentFactory(), person(city="Rome")
    full(f"segment:{segment.key}")

    change(ann, city="Oslo")
    drain()

    segment.refresh_from_db()
    assert (members(segment), segment.n_members) == ({ann.pk}, 1)

    change(ann, city="Rome")
    drain(now=now + timedelta(minutes=1))

    segment.refresh_from_db()
    assert (members(segment), segment.n_members) == (set(), 0)
    assert list(MembershipChange.objects.order_by("id").values_list("change", "cause", "at")) == [
        ("entered", Cause.DATA, now),
        ("left", Cause.DATA, now + timedelta(minutes=1)),
    ]


def test_who_changes_after_an_edit_moves_because_of_it_until_everybody_was_judged(now):
    segment, ann, bo = SegmentFactory(key="lives", rule=lives_in("Rome")), person(city="Oslo"), person(city="Rome")
    cleo = person(city="Oslo")
    outer = SegmentFactory(key="outer", rule={"op": "segment", "key": "lives"})
    full("segment:lives")
    segment.rule = lives_in("Oslo")
    run = save_segment(segment)
    change(ann, age=40, city="Oslo")
    change(bo, city="Rome")

    assert drain() == 3

    assert (members(segment), members(outer), queue()) == ({ann.pk}, {ann.pk}, [])
    execute_run(run.pk, now=now)
    assert (members(segment), members(outer)) == ({ann.pk, cleo.pk}, {ann.pk, cleo.pk})
    assert set(MembershipChange.objects.values_list("cause", flat=True)) == {Cause.RULE}
    change(ann, city="Rome")
    drain()
    assert (members(segment), members(outer)) == ({cleo.pk}, {cleo.pk})
    assert causes(segment, ann) == [Cause.RULE, Cause.DATA] == causes(outer, ann)


def test_where_the_refresh_was_cut_off_people_move_because_of_the_edit_there_alone(now, monkeypatch):
    segment, ann, bo = SegmentFactory(key="lives", rule=lives_in("Rome")), person(city="Oslo"), person(city="Bergen")
    outer = SegmentFactory(key="outer", rule={"any": [{"op": "segment", "key": "lives"}, lives_in("Paris")]})
    full("segment:lives")
    segment.rule = lives_in("Oslo")
    run = save_segment(segment)

    def die_at_the_second(key, **options):
        if key == "segment:outer":
            raise KeyboardInterrupt
        refresh_one(key, **options)

    with monkeypatch.context() as patched:
        patched.setattr(full_module, "refresh_one", die_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            execute_run(run.pk, now=now)
    assert (members(segment), members(outer)) == ({ann.pk}, set())
    change(ann, city="Oslo")
    change(bo, city="Oslo")
    drain()

    assert members(segment) == members(outer) == {ann.pk, bo.pk}
    assert (causes(segment, ann), causes(segment, bo)) == ([Cause.RULE], [Cause.DATA])
    assert causes(outer, ann) == causes(outer, bo) == [Cause.RULE]
    execute_run(run.pk, now=now)
    change(ann, city="Rome")
    drain()
    assert (causes(segment, ann), causes(outer, ann)) == ([Cause.RULE, Cause.DATA], [Cause.RULE, Cause.DATA])


def causes(segment, profile):
    rows = MembershipChange.objects.filter(segment=segment, profile=profile).order_by("id")
    return list(rows.values_list("cause", flat=True))


def test_a_refresh_by_hand_leaves_whoever_changed_to_the_queue_which_knows_why_they_move(now):
    bought = {"op": "event", "name": "Buy", "within": {"last_days": 7}}
    segment = SegmentFactory(key="oslo", rule={"any": [lives_in("Oslo"), bought]})
    ann, bo, cleo = person(city="Rome"), person(city="Rome"), person(city="Oslo")
    EventFactory(profile=bo, definition__name="Buy", occurred_at=now - timedelta(days=6))
    full("segment:oslo")
    Membership.objects.filter(profile=cleo).delete()
    MembershipChange.objects.all().delete()
    run = queue_full_refresh("segment:oslo", cause=Cause.CORRECTION)
    change(ann, city="Oslo")

    later = now + timedelta(days=1)
    with time_machine.travel(later, tick=False):
        execute_run(run.pk, now=later)
    drain(now=later)

    assert members(segment) == {ann.pk, cleo.pk}
    assert [causes(segment, each) for each in (ann, bo, cleo)] == [[Cause.DATA], [Cause.TIME], [Cause.CORRECTION]]


def test_a_batch_that_is_cut_off_leaves_its_rows_to_the_next(now, monkeypatch):
    segment, ann = SegmentFactory(), person(city="Rome")
    change(ann, city="Oslo")
    waiting = queue()
    with monkeypatch.context() as patched:
        patched.setattr(SegmentHolder, "record_together", interrupted)
        with pytest.raises(KeyboardInterrupt):
            refresh_changes(now=now)
    assert (queue(), members(segment)) == (waiting, set())

    drain()

    assert (queue(), members(segment)) == ([], {ann.pk})


def interrupted(*_args, **_kwargs):
    raise KeyboardInterrupt


def test_only_holders_of_the_topic_judge(now):
    segment, ann = SegmentFactory(), person(city="Oslo")
    ProfileChangeFactory(profile_id=ann.pk, topic="attribute:country", due_at=now)

    assert drain() == 1
    assert members(segment) == set()


def test_new_profile_is_judged_by_all(now):
    segment, ann = SegmentFactory(), person(city="Oslo")
    ProfileChangeFactory(profile_id=ann.pk, topic="created", due_at=now)

    drain()

    assert members(segment) == {ann.pk}


def test_change_of_the_future_waits_until_it_is_due(now):
    segment, ann = SegmentFactory(), person(city="Oslo")
    ProfileChangeFactory(profile_id=ann.pk, topic="created", due_at=now + timedelta(hours=1))

    assert drain() == 0
    assert drain(now=now + timedelta(hours=1)) == 1
    assert members(segment) == {ann.pk}


def test_what_a_rule_fills_is_followed_in_the_same_batch(now):
    tag = TagFactory(key="north", kind="rule", rule=lives_in("Oslo"))
    inner = SegmentFactory(rule={"op": "tag", "key": "north"})
    outer = SegmentFactory(rule={"not": {"op": "segment", "key": inner.key}})
    ann = person(city="Oslo")
    full("tag:north")

    change(ann, city="Rome")
    assert refresh_changes(now=now) == 1

    assert not TagAssignment.objects.filter(tag=tag).exists()
    assert (members(inner), members(outer)) == (set(), {ann.pk})
    assert queue() == []


def test_first_value_that_matches_wins(now):
    tag = TagFactory(key="climate", kind="rule")
    cold = TagValueFactory(tag=tag, key="cold", rule=lives_in("Oslo"))
    TagValueFactory(tag=tag, key="any", rule={"op": "attribute", "key": "city", "is": "set"})
    ann, bob, cid = person(city="Oslo"), person(city="Rome"), person()

    full("tag:climate")
    assert dict(TagAssignment.objects.values_list("profile", "value__key")) == {ann.pk: "cold", bob.pk: "any"}

    change(bob, city="Oslo")
    change(cid, city="Rome")
    drain()
    assert dict(TagAssignment.objects.values_list("profile", "value__key")) == {
        ann.pk: "cold",
        bob.pk: cold.key,
        cid.pk: "any",
    }


def test_tier_moves_are_written_with_before_and_after(now):
    scheme = TierSchemeFactory(tiers={"gold": lives_in("Oslo"), "basic": None})
    ann = person(city="Rome")
    ProfileChangeFactory(profile_id=ann.pk, topic="created", due_at=now)
    drain()

    change(ann, city="Oslo")
    drain()

    assert standings(scheme) == {ann.pk: "gold"}
    moves = TierChange.objects.order_by("id").values_list("before", "after", "cause")
    assert list(moves) == [(None, "basic", Cause.DATA), ("basic", "gold", Cause.DATA)]


def test_change_of_an_absorbed_profile_judges_the_survivor(now):
    segment, ann = SegmentFactory(), person(city="Oslo")
    absorbed = ProfileFactory(merged_into=ann)
    ProfileChangeFactory(profile_id=absorbed.pk, topic="merge", due_at=now)

    drain()

    assert members(segment) == {ann.pk}
    assert MembershipChange.objects.get().cause == Cause.MERGE


def test_what_follows_from_a_merge_has_its_cause(now):
    inner, ann = SegmentFactory(), person(city="Oslo")
    outer = SegmentFactory(rule={"op": "segment", "key": inner.key})
    ProfileChangeFactory(profile_id=ann.pk, topic="attribute:city", due_at=now)
    ProfileChangeFactory(profile_id=ann.pk, topic="merge", due_at=now)

    drain()

    assert members(outer) == {ann.pk}
    assert set(MembershipChange.objects.values_list("cause", flat=True)) == {Cause.MERGE}


def test_merged_profile_is_never_matched(now):
    everybody = SegmentFactory(rule={"not": lives_in("Rome")})
    ann = person(city="Oslo")
    ProfileFactory(merged_into=ann, attributes={"city": "Oslo"})

    full(f"segment:{everybody.key}")

    assert members(everybody) == {ann.pk}


def test_row_of_a_holder_behind_a_closed_gate_is_put_back_for_it_alone(now):
    busy, free = SegmentFactory(), SegmentFactory()
    ann = person()
    change(ann, city="Oslo")

    with closed_gate(f"segment:{busy.key}"):
        assert drain() == 1

    assert (members(busy), members(free)) == (set(), {ann.pk})
    assert queue() == [(ann.pk, "attribute:city", f"segment:{busy.key}")]

    drain(now=now + timedelta(minutes=1))
    assert members(busy) == members(free) == {ann.pk}
    assert replayed(free) == {ann.pk}


def test_moves_are_put_back_for_a_dependent_behind_a_closed_gate(now):
    inner, ann = SegmentFactory(), person()
    outer = SegmentFactory(rule={"op": "segment", "key": inner.key})
    change(ann, city="Oslo")

    with closed_gate(f"segment:{outer.key}"):
        drain()
    assert (members(inner), members(outer)) == ({ann.pk}, set())

    drain(now=now + timedelta(minutes=1))
    assert members(outer) == {ann.pk}


def test_failing_rule_is_noted_and_stops_nobody(now):
    broken = SegmentFactory(rule={"op": "attribute", "key": "no such key", "is": "set"})
    fine, ann = SegmentFactory(), person(city="Oslo")
    ProfileChangeFactory(profile_id=ann.pk, topic="created", due_at=now)

    drain()

    broken.refresh_from_db()
    assert "no such key" in broken.refresh_error
    assert members(fine) == {ann.pk}
    assert queue() == []


def test_holder_that_was_deleted_takes_its_rows_with_it(now):
    ProfileChangeFactory(topic="attribute:city", holder="segment:gone", due_at=now)

    assert drain() == 1
    assert queue() == []


def test_batch_costs_the_same_queries_for_one_profile_and_for_many(now, django_assert_num_queries):
    segment = SegmentFactory()
    MembershipFactory(segment=segment, profile=person(city="Rome"))
    full(f"segment:{segment.key}")
    change(person(), city="Oslo")
    drain()

    for number_of_people in (1, 20):
        for _number in range(number_of_people):
            change(person(), city="Oslo")
        with django_assert_num_queries(29):
            refresh_changes(now=now)
