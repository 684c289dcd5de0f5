"""The nightly check: it corrects what is not as the rules say, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cdp.models import Run
from cdp.rules.causes import Cause
from profiles.models import HolderClock, Profile, ProfileChange
from profiles.refresh import clock as clock_module
from profiles.refresh.check import check_everything, queue_due_check
from profiles.refresh.clock import follow_time
from profiles.refresh.full import Progress, refresh_one
from profiles.refresh.queue import CHECK, REFOLD, queue_full_refresh
from segments.models import Membership, MembershipChange, Segment
from tags.models import Tag
from tests.factories.profiles import EventDefinitionFactory, EventFactory
from tests.factories.segments import MembershipFactory, SegmentFactory, lives_in
from tests.factories.tags import TagFactory
from tests.profiles.refresh.shorthand import change, drain, full, members, person

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
BOUGHT_LATELY = {"op": "event", "name": "Buy", "within": {"last_days": 7}}


def check(now: datetime) -> dict[str, Any]:
    run = Run.objects.create(kind=CHECK, subject="everything")
    Run.objects.filter(pk=run.pk).update(created_at=now)
    run.refresh_from_db()
    check_everything(run, now=now)
    counts: dict[str, Any] = run.counts
    return counts


def moves() -> list[tuple[int, str, str]]:
    return list(MembershipChange.objects.order_by("id").values_list("profile", "change", "cause"))


def test_where_everything_is_right_nothing_is_corrected(now):
    SegmentFactory(key="oslo")
    person(city="Oslo")
    full("segment:oslo")

    assert check(now + DAY) == {"corrected": 0, "failed": 0}

    clock = HolderClock.objects.get()
    assert (clock.checked_at, clock.n_corrected, clock.n_corrected_last) == (now + DAY, 0, 0)
    assert [cause for _profile, _change, cause in moves()] == [Cause.RULE]


def test_what_is_wrong_is_corrected_and_counted(now):
    segment = SegmentFactory(key="oslo")
    outer = SegmentFactory(key="outer", rule={"op": "segment", "key": "oslo"})
    ann, bob = person(city="Oslo"), person(city="Rome")
    full("segment:oslo")
    MembershipChange.objects.all().delete()
    Membership.objects.filter(segment=segment).delete()
    MembershipFactory(segment=segment, profile=bob)

    assert check(now + DAY) == {"corrected": 2, "failed": 0}

    assert members(segment) == members(outer) == {ann.pk}
    assert sorted(moves()) == sorted([(ann.pk, "entered", "correction"), (bob.pk, "left", "correction")])
    clocks = dict(HolderClock.objects.values_list("holder", "n_corrected"))
    assert clocks == {"segment:oslo": 2, "segment:outer": 0}

    assert check(now + 2 * DAY) == {"corrected": 0, "failed": 0}
    clock = HolderClock.objects.get(holder="segment:oslo")
    assert (clock.n_corrected, clock.n_corrected_last) == (2, 0)


@pytest.mark.parametrize("cause", [Cause.CORRECTION, Cause.TIME])
def test_who_changes_as_it_begins_is_left_to_the_queue(now: datetime, cause: Cause) -> None:
    """Their row is due by a clock that was read after that of the check, which sees what they are now."""
    segment, ann = SegmentFactory(key="oslo"), person(city="Rome")
    full("segment:oslo")
    due_at, later = now + timedelta(seconds=1), now + timedelta(seconds=2)

    def clock() -> datetime:
        if ProfileChange.objects.exists():
            return later
        Profile.objects.filter(pk=ann.pk).update(attributes={"city": "Oslo"})
        ProfileChange.objects.create(profile_id=ann.pk, topic="attribute:city", due_at=due_at)
        return now

    refresh_one("segment:oslo", now=clock, cause=cause, progress=Progress(None))
    assert members(segment) == set()

    drain(now=later)
    assert moves() == [(ann.pk, "entered", "data")]


def test_who_waits_on_the_queue_is_left_to_it(now):
    segment = SegmentFactory(key="oslo", rule={"any": [lives_in("Oslo"), BOUGHT_LATELY]})
    buy = EventDefinitionFactory(name="Buy")
    ann, bob = person(city="Oslo"), person(city="Rome")
    EventFactory(profile=bob, definition=buy, occurred_at=now - 7 * DAY + timedelta(seconds=30))
    full("segment:oslo")
    MembershipChange.objects.all().delete()
    change(ann, city="Rome")
    moment = now + timedelta(minutes=1)  # since the last tick bob's order has run out

    assert check(moment) == {"corrected": 0, "failed": 0}
    assert moves() == []

    drain(now=moment)
    assert sorted(moves()) == sorted([(ann.pk, "left", "data"), (bob.pk, "left", "time")])
    assert members(segment) == set()
    assert follow_time(now=moment) == 0


def test_a_row_that_speaks_of_something_else_saves_nobody_from_the_check(now):
    segment = SegmentFactory(key="oslo")
    ann = person(city="Oslo")
    full("segment:oslo")
    Membership.objects.all().delete()
    change(ann, country="NO")

    assert check(now + DAY) == {"corrected": 1, "failed": 0}
    assert members(segment) == {ann.pk}


def test_a_rule_that_was_edited_is_no_mistake(now):
    SegmentFactory(key="inner")
    SegmentFactory(key="outer", rule={"op": "segment", "key": "inner"})
    SegmentFactory(key="aside")
    ann = person(city="Oslo")
    full("segment:inner")
    full("segment:aside")
    Membership.objects.all().delete()
    queue_full_refresh("segment:inner")

    assert check(now + DAY) == {"corrected": 1, "failed": 0}
    assert [(row.segment.key, row.profile_id) for row in Membership.objects.all()] == [("aside", ann.pk)]


def test_while_golden_records_are_folded_again_nothing_is_checked(now):
    SegmentFactory(key="oslo")
    person(city="Oslo")
    Run.objects.create(kind=REFOLD, subject="attribute:city", state=Run.State.RUNNING)

    assert check(now) == {"corrected": 0, "failed": 0}


def test_so_many_whom_time_moved_are_refreshed_in_full_first(now, monkeypatch):
    monkeypatch.setattr(clock_module, "full_from", lambda: 0)
    SegmentFactory(key="lately", rule=BOUGHT_LATELY)
    bob = person()
    EventFactory(profile=bob, definition__name="Buy", occurred_at=now - 6 * DAY)
    full("segment:lately")
    MembershipChange.objects.all().delete()

    assert check(now + DAY) == {"corrected": 0, "failed": 0}
    assert moves() == []
    assert Run.objects.get(kind="refresh").params == {"cause": "time"}


def test_a_rule_that_fails_says_so_and_the_others_are_checked(now):
    broken, tag = SegmentFactory(key="broken"), TagFactory(key="north", kind=Tag.Kind.RULE, rule=lives_in("Oslo"))
    ann = person(city="Oslo")
    Segment.objects.filter(pk=broken.pk).update(rule={"op": "tag", "key": "gone"})

    assert check(now) == {"corrected": 1, "failed": 1}

    broken.refresh_from_db()
    assert broken.refresh_error == "key: there is no tag 'gone', or it is archived"
    assert list(tag.assignments.values_list("profile", flat=True)) == [ann.pk]


def test_cut_off_it_goes_on_with_the_rest(now):
    for key in ("first", "second"):
        SegmentFactory(key=key)
    person(city="Oslo")
    HolderClock.objects.create(holder="segment:first", clocked_at=now, checked_at=now)

    assert check(now) == {"corrected": 1, "failed": 0}
    assert list(Membership.objects.values_list("segment__key", flat=True)) == ["second"]


@pytest.mark.parametrize(
    ("last", "hour", "is_due"),
    [
        (None, 3, True),
        (None, 12, False),
        (timedelta(hours=23), 3, True),
        (timedelta(hours=2), 5, False),
        (timedelta(hours=33), 12, False),
        (timedelta(hours=45), 12, True),
    ],
)
def test_it_is_due_once_a_night_and_by_day_where_a_night_was_missed(last, hour, is_due):
    now = datetime(2026, 6, 15, hour, tzinfo=UTC) - timedelta(hours=8)  # an hour of Shanghai
    if last is not None:
        run = Run.objects.create(kind=CHECK, subject="everything", state=Run.State.SUCCEEDED)
        Run.objects.filter(pk=run.pk).update(created_at=now - last)

    assert (queue_due_check(now=now) is not None) == is_due
