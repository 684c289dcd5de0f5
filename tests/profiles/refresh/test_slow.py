"""A rule that takes too long hangs nobody: it says so on its page, the others go on, and a full refresh catches up."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

import pytest
from django.db.models import BooleanField, Func, Q

from cdp.models import Run
from cdp.rules.base import Operator, operators
from profiles.models import HolderClock, ProfileChange
from profiles.refresh import clock, engine
from profiles.refresh import full as full_refresh
from profiles.refresh.clock import follow_time
from profiles.refresh.full import RefreshFailed
from profiles.refresh.gates import closed_gate
from tests.factories.segments import SegmentFactory, lives_in
from tests.profiles.refresh.shorthand import NOW, change, drain, full, members, person, queue

pytestmark = pytest.mark.django_db

MESSAGE = "The rule takes longer than 2 seconds. A shorter time window makes it faster."
LATER = NOW + timedelta(minutes=1)
LIMIT = 2  # of all rules: what is quick must be so on a busy machine too


class Sleep(Func):
    template = "(pg_sleep(60) IS NOT NULL)"
    output_field = BooleanField()


@dataclass(frozen=True)
class Sleeps(Operator):
    """A condition that takes a minute a person."""

    op: ClassVar = "sleeps"
    params: ClassVar = {}

    @classmethod
    def build(cls, given):
        return cls()

    def predicate(self, scope, now):
        return Q(Sleep())

    def clock(self, after, until):
        return Q(Sleep())

    def topics(self):
        return frozenset({"attribute:city"})

    def describe(self):
        return "sleeps"


@pytest.fixture
def slow(monkeypatch):
    """A segment whose rule sleeps."""
    monkeypatch.setitem(operators, Sleeps.op, Sleeps)
    return SegmentFactory(key="slow", rule={"op": "sleeps"})


def test_by_change_it_is_cancelled_and_left_to_a_full_refresh(slow, monkeypatch):
    monkeypatch.setattr(engine, "BY_CHANGE_SECONDS", LIMIT)
    ann = person()
    oslo = SegmentFactory(rule=lives_in("Oslo"))

    change(ann, city="Oslo")
    drain()

    slow.refresh_from_db()
    assert (slow.refresh_error, members(slow), members(oslo)) == (MESSAGE, set(), {ann.pk})
    assert Run.objects.values_list("kind", "subject", "params").get() == ("refresh", "segment:slow", {"cause": "data"})
    assert not ProfileChange.objects.exists()


def test_it_is_not_tried_again_before_that(slow, monkeypatch):
    monkeypatch.setattr(engine, "BY_CHANGE_SECONDS", LIMIT)
    change(ann := person(), city="Oslo")
    drain()

    change(ann, city="Rome")
    drain(now=LATER)

    assert HolderClock.objects.get(holder="segment:slow").too_slow_since == NOW
    assert not ProfileChange.objects.exists()


def test_a_full_refresh_catches_up_and_sets_it_free(slow, monkeypatch):
    monkeypatch.setattr(engine, "BY_CHANGE_SECONDS", LIMIT)
    change(ann := person(), city="Oslo")
    drain()
    slow.rule = lives_in("Oslo")
    slow.save()

    full("segment:slow", now=LATER)

    slow.refresh_from_db()
    assert (slow.refresh_error, members(slow)) == ("", {ann.pk})
    assert HolderClock.objects.get(holder="segment:slow").too_slow_since is None
    change(ann, city="Rome")
    drain(now=LATER)
    assert members(slow) == set()


def test_by_clock_it_is_cancelled_and_the_others_go_on(slow, monkeypatch):
    monkeypatch.setattr(clock, "BY_CLOCK_SECONDS", LIMIT)
    SegmentFactory(key="fast")
    person()
    follow_time(now=NOW)

    follow_time(now=LATER)

    slow.refresh_from_db()
    clocks = dict(HolderClock.objects.values_list("holder", "clocked_at"))
    assert clocks == {"segment:slow": NOW, "segment:fast": LATER}
    assert slow.refresh_error == MESSAGE
    assert Run.objects.values_list("subject", "params").get() == ("segment:slow", {"cause": "time"})


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_in_full_it_is_cancelled_and_its_dependents_are_refreshed(slow, monkeypatch):
    monkeypatch.setattr(full_refresh, "IN_FULL_SECONDS", LIMIT)
    ann = person()
    others = SegmentFactory(rule={"not": {"op": "segment", "key": "slow"}})

    with pytest.raises(RefreshFailed, match="segment:slow: The rule takes longer"):
        full("segment:slow")

    slow.refresh_from_db()
    assert (slow.refresh_error, members(others)) == (MESSAGE, {ann.pk})


def test_what_changes_while_the_full_refresh_runs_waits_for_its_end():
    segment = SegmentFactory(key="was-slow")
    HolderClock.objects.create(holder="segment:was-slow", clocked_at=NOW, too_slow_since=NOW)
    ann = person(city="Rome")

    with closed_gate("segment:was-slow"):
        change(ann, city="Oslo")
        drain()
        assert queue() == [(ann.pk, "attribute:city", "segment:was-slow")]
    HolderClock.objects.update(too_slow_since=None)
    drain(now=LATER)

    assert members(segment) == {ann.pk}
