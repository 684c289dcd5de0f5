"""Refresh in full."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cdp.models import Run
from cdp.rules.causes import Cause
from cdp.rules.errors import RuleError
from cdp.rules.holders import Move, holder_of
from cdp.runs import execute_run, queue_run
from profiles import tasks  # noqa: F401 - registers the kind of run
from profiles.refresh import full as full_module
from profiles.refresh.full import Progress, RefreshFailed, refresh_in_full, refresh_one, write_chunk
from profiles.refresh.queue import queue_full_refresh
from segments.models import MembershipChange, Segment
from tags.models import Tag, TagAssignment
from tests.factories.profiles import ProfileFactory
from tests.factories.segments import SegmentFactory, TierSchemeFactory, lives_in
from tests.factories.tags import TagFactory, TagValueFactory
from tests.profiles.refresh.shorthand import NOW, full, members, person, replayed, standings

pytestmark = pytest.mark.django_db

SET = {"op": "attribute", "key": "city", "is": "set"}


def test_members_are_those_who_match(now):
    ann, _bob = person(city="Oslo"), person(city="Rome")
    segment = SegmentFactory()

    assert full(f"segment:{segment.key}") == 1

    segment.refresh_from_db()
    assert members(segment) == {ann.pk}
    assert (segment.n_members, segment.refreshed_at, segment.refresh_error) == (1, now, "")


def test_second_refresh_changes_nothing(now):
    person(city="Oslo")
    segment = SegmentFactory()
    scheme = TierSchemeFactory(tiers={"gold": lives_in("Oslo"), "basic": None})
    full(f"segment:{segment.key}")
    full(f"tier:{scheme.key}")

    assert full(f"segment:{segment.key}", now=now + timedelta(days=1)) == 0
    assert full(f"tier:{scheme.key}", now=now + timedelta(days=1)) == 0
    assert MembershipChange.objects.count() == 1


def test_edited_rule_moves_those_whom_it_moves(now):
    _leaves, stays, enters = (person(city=city) for city in ("Oslo", "Bergen", "Rome"))
    segment = SegmentFactory(rule={"op": "attribute", "key": "city", "is": "in", "value": ["Oslo", "Bergen"]})
    full(f"segment:{segment.key}")
    Segment.objects.update(rule={"op": "attribute", "key": "city", "is": "in", "value": ["Bergen", "Rome"]})

    full(f"segment:{segment.key}", now=now + timedelta(days=1))

    assert members(segment) == {stays.pk, enters.pk} == replayed(segment)
    assert segment.memberships.get(profile=stays).entered_at == now
    assert set(MembershipChange.objects.values_list("cause", flat=True)) == {Cause.RULE}


def test_count_that_was_off_is_right_again(now):
    segment = SegmentFactory(n_members=99)
    person(city="Oslo")

    full(f"segment:{segment.key}")

    segment.refresh_from_db()
    assert segment.n_members == 1


def test_dependents_follow_in_order(now):
    tag = TagFactory(key="north", kind="rule", rule=lives_in("Oslo"))
    outer = SegmentFactory(key="a-outer", rule={"op": "segment", "key": "z-inner"})
    inner = SegmentFactory(key="z-inner", rule={"op": "tag", "key": "north"})
    ann = person(city="Oslo")

    full("tag:north")

    tag.refresh_from_db()
    assert tag.refreshed_at == now
    assert members(inner) == members(outer) == {ann.pk}


def test_highest_tier_wins_and_the_lowest_takes_the_rest():
    scheme = TierSchemeFactory(tiers={"gold": lives_in("Oslo"), "silver": SET, "basic": None})
    ann, bob, cid = person(city="Oslo"), person(city="Rome"), person()

    full(f"tier:{scheme.key}")

    assert standings(scheme) == {ann.pk: "gold", bob.pk: "silver", cid.pk: "basic"}


def test_without_a_tier_for_all_some_stand_nowhere():
    scheme = TierSchemeFactory(tiers={"gold": lives_in("Oslo"), "silver": lives_in("Rome")})
    person()

    full(f"tier:{scheme.key}")

    assert standings(scheme) == {}


def test_values_of_a_tag_are_given_in_their_order(now):
    tag = TagFactory(kind="rule")
    cold, some = TagValueFactory(tag=tag, rule=lives_in("Oslo")), TagValueFactory(tag=tag, rule=SET)
    ann, bob = person(city="Oslo"), person(city="Rome")

    full(f"tag:{tag.key}")

    assigned = dict(TagAssignment.objects.values_list("profile", "value"))
    assert assigned == {ann.pk: cold.pk, bob.pk: some.pk}


def test_tag_that_gets_values_leaves_the_single_one(now):
    tag = TagFactory(kind="rule", rule=SET)
    ann = person(city="Oslo")
    full(f"tag:{tag.key}")
    assert TagAssignment.objects.get().value is None

    Tag.objects.update(rule=None)
    cold = TagValueFactory(tag=tag, rule=lives_in("Oslo"))
    full(f"tag:{tag.key}")

    assert list(TagAssignment.objects.values_list("profile", "value")) == [(ann.pk, cold.pk)]


def test_failing_rule_is_noted_and_the_others_are_refreshed(now):
    ann = person(city="Oslo")
    broken = SegmentFactory(key="broken")
    full("segment:broken")
    fine = SegmentFactory(rule={"op": "segment", "key": "broken"})
    Segment.objects.filter(pk=broken.pk).update(rule={"op": "attribute", "key": "no such key", "is": "set"})

    with pytest.raises(RefreshFailed, match=r"segment:broken: .*no such key"):
        full("segment:broken")

    broken.refresh_from_db()
    assert "no such key" in broken.refresh_error
    assert members(broken) == members(fine) == {ann.pk}

    Segment.objects.filter(pk=broken.pk).update(rule=lives_in("Oslo"))
    full("segment:broken")
    broken.refresh_from_db()
    assert broken.refresh_error == ""


def test_cut_off_between_two_chunks_it_is_run_again(monkeypatch, now):
    monkeypatch.setattr(full_module, "CHUNK", 2)
    everybody = {person(city="Oslo").pk for _number in range(5)}
    inner = SegmentFactory()
    outer = SegmentFactory(rule={"op": "segment", "key": inner.key})

    def die_at_the_second(holder, moves, **options):
        if members(inner):
            raise KeyboardInterrupt
        return write_chunk(holder, moves, **options)

    with monkeypatch.context() as patched:
        patched.setattr(full_module, "write_chunk", die_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            full(f"segment:{inner.key}")
    assert len(members(inner)) == 2
    assert members(outer) == set()

    full(f"segment:{inner.key}")

    inner.refresh_from_db()
    assert members(inner) == members(outer) == everybody == replayed(inner) == replayed(outer)
    assert inner.n_members == 5


def test_chunk_leaves_out_who_was_merged_or_moved_meanwhile(now):
    segment = SegmentFactory()
    holder = holder_of(f"segment:{segment.key}")
    ann, bob = person(), person()
    absorbed = ProfileFactory(merged_into=ann)
    moves = [Move(profile.pk, None, segment.pk) for profile in (ann, bob, absorbed)]
    write_chunk(holder, moves[:1], cause=Cause.RULE, now=now)

    assert write_chunk(holder, moves, cause=Cause.RULE, now=now) == 1

    assert members(segment) == {ann.pk, bob.pk} == replayed(segment)


def test_run_tells_how_far_it_is(now):
    person(city="Oslo")
    segment = SegmentFactory()
    run = queue_full_refresh(f"segment:{segment.key}")

    execute_run(run.pk, now=now)

    run.refresh_from_db()
    assert (run.kind, run.state) == ("refresh", Run.State.SUCCEEDED)
    assert (run.done, run.total, run.counts) == (1, 1, {"moves": 1})
    assert segment.memberships.exists()


def test_a_refresh_because_of_time_leaves_a_new_rule_to_the_one_that_waits(now):
    ann, segment = person(city="Oslo"), SegmentFactory(key="lives")
    outer = SegmentFactory(rule={"op": "segment", "key": "lives"})
    run = queue_full_refresh("segment:lives")

    assert (full("segment:lives", cause=Cause.TIME), full(f"segment:{outer.key}", cause=Cause.CORRECTION)) == (0, 0)
    execute_run(run.pk, now=now)

    assert members(segment) == members(outer) == {ann.pk}
    assert set(MembershipChange.objects.values_list("cause", flat=True)) == {Cause.RULE}


@pytest.mark.parametrize("cause", [Cause.TIME, Cause.CORRECTION, Cause.DATA])
def test_a_refresh_of_another_cause_leaves_to_one_under_way_whom_that_has_not_judged(now, cause):
    """A worker has taken the run, and waits for the gate that this one has closed."""
    segment, outer = SegmentFactory(key="lives"), SegmentFactory(rule={"op": "segment", "key": "lives"})
    run = queue_full_refresh("segment:lives")
    Run.objects.update(state=Run.State.RUNNING)
    ann = person(city="Oslo")

    assert full("segment:lives", cause=cause) == 0
    refresh_one("segment:lives", now=now, cause=Cause.RULE, progress=Progress(run))
    bo = person(city="Oslo")
    assert full("segment:lives", cause=cause) == 1
    assert (members(segment), members(outer)) == ({ann.pk, bo.pk}, set())

    execute_run(run.pk, now=now)
    assert members(outer) == {ann.pk, bo.pk}
    assert set(MembershipChange.objects.filter(profile=ann).values_list("cause", flat=True)) == {Cause.RULE}
    assert MembershipChange.objects.get(profile=bo, segment=segment).cause == cause
    assert MembershipChange.objects.get(profile=bo, segment=outer).cause == Cause.RULE


def test_a_holder_whose_rule_fails_is_done_with_too(now):
    segment = SegmentFactory(key="broken", rule={"op": "juggle"})
    run = queue_full_refresh("segment:broken")

    with pytest.raises(RuleError):
        refresh_one("segment:broken", now=now, cause=Cause.RULE, progress=Progress(run))

    Segment.objects.update(rule=lives_in("Oslo"))
    person(city="Oslo")
    assert full("segment:broken", cause=Cause.CORRECTION) == 1
    assert MembershipChange.objects.get(segment=segment).cause == Cause.CORRECTION


def test_run_shows_what_failed(now):
    segment = SegmentFactory(rule={"op": "juggle"})
    run = queue_full_refresh(f"segment:{segment.key}")

    execute_run(run.pk, now=now)

    run.refresh_from_db()
    assert run.state == Run.State.FAILED
    assert "juggle" in run.error


def test_run_of_a_holder_that_is_gone_fails(now):
    run = queue_run("refresh", "segment:gone")

    execute_run(run.pk, now=now)

    run.refresh_from_db()
    assert run.state == Run.State.FAILED


def test_unknown_holder_cannot_be_queued():
    with pytest.raises(KeyError, match="segment:gone"):
        queue_full_refresh("segment:gone")


def test_chunks_cost_the_same_queries_however_many_they_hold():
    segment = SegmentFactory()
    holder = holder_of(f"segment:{segment.key}")
    n_queries = []
    for number_of_people in (1, 1, 20):  # the first also looks up the names in the rule
        for _number in range(number_of_people):
            person(city="Oslo")
        with CaptureQueriesContext(connection) as queries:
            refresh_in_full(holder, now=NOW, cause=Cause.RULE)
        n_queries.append(len(queries))

    assert n_queries[1] == n_queries[2] <= 34
