"""Refresh by clock: the tick puts on the queue whom time has moved, and nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from cdp.local_settings import set_local
from cdp.models import Run
from cdp.rules.causes import Cause
from cdp.runs import execute_run
from profiles import tasks  # noqa: F401 - registers the kinds of runs
from profiles.ingest.moments import index_moments
from profiles.models import AttributeDefinition, HolderClock, Lane, Profile, ProfileChange
from profiles.refresh import clock as clock_module
from profiles.refresh.clock import enqueue, follow_time
from segments.models import MembershipChange, Segment, TierChange
from tests.factories.profiles import EventDefinitionFactory, EventFactory
from tests.factories.segments import (
    MembershipFactory,
    SegmentFactory,
    StaticSegmentFactory,
    TierSchemeFactory,
    lives_in,
)
from tests.factories.tags import TagFactory
from tests.profiles.refresh.shorthand import change, drain, full, members, person, queue, replayed

pytestmark = pytest.mark.django_db

TICK, DAY = timedelta(microseconds=1), timedelta(days=1)
BOUGHT_LATELY = {"op": "event", "name": "Buy", "within": {"last_days": 7}}


@pytest.fixture(autouse=True)
def _buy() -> None:
    EventDefinitionFactory(name="Buy")


def buyer(at: datetime, **attributes: Any) -> Profile:
    profile = person(**attributes)
    EventFactory(profile=profile, definition__name="Buy", occurred_at=at)
    return profile


def moves() -> list[tuple[int, str, str]]:
    return list(MembershipChange.objects.order_by("id").values_list("profile", "change", "cause"))


def clocks() -> dict[str, datetime]:
    return dict(HolderClock.objects.values_list("holder", "clocked_at"))


def test_a_window_runs_out_on_time_and_that_is_the_cause(now):
    segment = SegmentFactory(key="lately", rule=BOUGHT_LATELY)
    ann, _bob = buyer(now - DAY), buyer(now - 2 * DAY)
    full("segment:lately")
    MembershipChange.objects.all().delete()
    out = now + 6 * DAY

    assert follow_time(now=out - TICK) == 1  # bob, whose order left a day ago
    drain(now=out - TICK)
    assert members(segment) == {ann.pk}

    assert follow_time(now=out) == 1
    assert list(ProfileChange.objects.values_list("profile_id", "topic", "lane", "due_at", "holder")) == [
        (ann.pk, "time", Lane.CLOCK, out, "segment:lately")
    ]
    drain(now=out)
    assert members(segment) == set()
    assert [cause for _profile, _change, cause in moves()] == [Cause.TIME, Cause.TIME]
    assert MembershipChange.objects.last().at == out


MIDNIGHT, NEXT_MONTH = datetime(2026, 6, 15, 16, tzinfo=UTC), datetime(2026, 6, 30, 16, tzinfo=UTC)
NEXT_YEAR = datetime(2026, 12, 31, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "at", "turn", "is_in"),
    [
        ({"calendar": "today"}, MIDNIGHT - DAY, MIDNIGHT, False),
        ({"calendar": "yesterday"}, MIDNIGHT - DAY, MIDNIGHT, True),
        ({"calendar": "yesterday"}, MIDNIGHT - DAY - TICK, MIDNIGHT, False),
        ({"calendar": "this_week"}, MIDNIGHT - DAY, MIDNIGHT + 6 * DAY, False),
        ({"calendar": "last_month"}, MIDNIGHT - 15 * DAY, NEXT_MONTH, True),
        ({"calendar": "last_month"}, MIDNIGHT - 15 * DAY - TICK, NEXT_MONTH, False),
        ({"calendar": "this_quarter"}, MIDNIGHT - 2 * DAY, NEXT_MONTH, False),
        ({"calendar": "last_year"}, MIDNIGHT - 2 * DAY, NEXT_YEAR, True),
        ({"days_ago": [60, 30]}, MIDNIGHT - 30 * DAY, MIDNIGHT, True),
        ({"days_ago": [60, 30]}, MIDNIGHT - 60 * DAY, MIDNIGHT, False),
        ({"days_ago": [60, 0]}, MIDNIGHT - 60 * DAY, MIDNIGHT, False),
        ({"last_hours": 13}, MIDNIGHT - timedelta(hours=13), MIDNIGHT, False),
    ],
)
def test_a_window_opens_and_closes_to_the_microsecond(window, at, turn, is_in, now):
    segment = SegmentFactory(key="lately", rule={"op": "event", "name": "Buy", "within": window})
    ann = buyer(at)
    full("segment:lately")
    MembershipChange.objects.all().delete()

    follow_time(now=turn - TICK)
    drain(now=turn - TICK)
    assert (members(segment), moves()) == (set() if is_in else {ann.pk}, [])

    follow_time(now=turn)
    drain(now=turn)
    assert moves() == [(ann.pk, "entered" if is_in else "left", Cause.TIME)]
    assert members(segment) == ({ann.pk} if is_in else set())


def test_who_has_been_in_for_so_many_days_enters_to_the_microsecond(now):
    MembershipFactory(segment=StaticSegmentFactory(key="base"), profile=(ann := person()), entered_at=now)
    segment = SegmentFactory(key="long", rule={"op": "segment", "key": "base", "for_days": 30})
    full("segment:long")

    follow_time(now=now + 30 * DAY - TICK)
    drain(now=now + 30 * DAY - TICK)
    assert members(segment) == set()

    follow_time(now=now + 30 * DAY)
    drain(now=now + 30 * DAY)
    assert moves() == [(ann.pk, "entered", Cause.TIME)]


def test_a_worker_whose_clock_is_behind_leaves_it_for_later(now):
    segment = SegmentFactory(rule=BOUGHT_LATELY)
    buyer(now - 7 * DAY + TICK)
    full(f"segment:{segment.key}")
    follow_time(now=now + TICK)

    assert drain(now=now) == 0
    assert drain(now=now + TICK) == 1
    assert members(segment) == set()


def test_every_tick_asks_from_where_the_last_one_stopped(now):
    SegmentFactory(key="lately", rule=BOUGHT_LATELY)
    full("segment:lately")
    for minute in range(10):
        buyer(now - 7 * DAY + timedelta(minutes=minute, seconds=30))

    found = [follow_time(now=now + timedelta(minutes=minute)) for minute in range(1, 4)]

    assert found == [1, 1, 1]
    assert follow_time(now=now + timedelta(minutes=3)) == 0
    assert follow_time(now=now + timedelta(minutes=2)) == 0  # of a worker whose clock is behind
    assert follow_time(now=now + timedelta(hours=1)) == 7  # after a downtime
    assert clocks() == {"segment:lately": now + timedelta(hours=1)}


def test_a_tick_that_is_cut_off_is_asked_again(now, monkeypatch):
    segment = SegmentFactory(key="lately", rule=BOUGHT_LATELY)
    ann = buyer(now - 7 * DAY + TICK)
    full("segment:lately")

    def enqueue_and_die(*args: Any, **kwargs: Any) -> int:
        enqueue(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(clock_module, "enqueue", enqueue_and_die)
        with pytest.raises(KeyboardInterrupt):
            follow_time(now=now + TICK)
    assert (clocks(), queue(), members(segment)) == ({"segment:lately": now}, [], {ann.pk})

    assert follow_time(now=now + TICK) == 1
    drain(now=now + TICK)
    assert members(segment) == set()


def test_who_depends_on_whom_time_moved_follows_by_the_same_cause(now):
    inner = SegmentFactory(key="inner", rule=BOUGHT_LATELY)
    TierSchemeFactory(tiers={"gold": {"op": "segment", "key": "inner"}, "basic": None})
    buyer(now - 7 * DAY + TICK)
    full("segment:inner")

    follow_time(now=now + TICK)
    drain(now=now + TICK)

    assert members(inner) == set()
    assert list(TierChange.objects.order_by("id").values_list("after", "cause")) == [
        ("gold", "rule"),
        ("basic", "time"),
    ]


def test_what_somebody_did_is_a_stronger_reason_than_time(now):
    segment = SegmentFactory(rule={"any": [BOUGHT_LATELY, lives_in("Oslo")]})
    buyer(now - 7 * DAY + TICK, city="Rome")
    moving = buyer(now - 7 * DAY + TICK, city="Oslo")
    full(f"segment:{segment.key}")
    MembershipChange.objects.all().delete()

    change(moving, city="Rome")
    follow_time(now=now + TICK)
    drain(now=now + TICK)

    assert {pk: cause for pk, _change, cause in moves()}[moving.pk] == Cause.DATA
    assert [cause for _pk, _change, cause in moves()].count(Cause.TIME) == 1


@pytest.mark.parametrize("rule", [lives_in("Oslo"), {"op": "event", "name": "Buy"}])
def test_the_clock_of_a_rule_without_time_moves_on_and_finds_nobody(rule, now, django_assert_max_num_queries):
    buyer(now, city="Oslo")
    SegmentFactory(key="city", rule=rule)
    full("segment:city")

    with django_assert_max_num_queries(14):
        assert follow_time(now=now + 400 * DAY) == 0

    assert clocks() == {"segment:city": now + 400 * DAY}


def test_a_new_holder_waits_for_its_first_refresh(now):
    buyer(now - 7 * DAY + TICK)
    SegmentFactory(key="lately", rule=BOUGHT_LATELY)

    assert follow_time(now=now) == 0
    assert clocks() == {"segment:lately": now}


def test_a_full_refresh_sets_the_clock(now):
    SegmentFactory(key="lately", rule=BOUGHT_LATELY)

    full("segment:lately", now=now + DAY)

    assert clocks() == {"segment:lately": now + DAY}
    full("segment:lately", now=now + 2 * DAY)
    assert clocks() == {"segment:lately": now + 2 * DAY}


def test_the_clock_of_a_holder_that_is_gone_goes(now):
    segment = SegmentFactory(key="lately", rule=BOUGHT_LATELY)
    follow_time(now=now)
    Segment.objects.filter(pk=segment.pk).delete()

    follow_time(now=now + TICK)

    assert clocks() == {}


def test_a_rule_that_fails_says_so_stays_behind_and_stops_nobody(now):
    broken = SegmentFactory(key="broken", rule=BOUGHT_LATELY)
    SegmentFactory(key="lately", rule=BOUGHT_LATELY)
    buyer(now - 7 * DAY + TICK)
    follow_time(now=now)
    Segment.objects.filter(pk=broken.pk).update(rule={"op": "tag", "key": "gone"})

    assert follow_time(now=now + TICK) == 1

    broken.refresh_from_db()
    assert broken.refresh_error == "key: there is no tag 'gone', or it is archived"
    assert clocks() == {"segment:broken": now, "segment:lately": now + TICK}


def test_above_a_quarter_of_all_everybody_is_refreshed_in_full_for_time(now, monkeypatch):
    monkeypatch.setattr(clock_module, "full_from", lambda: 2)
    segment = SegmentFactory(key="lately", rule=BOUGHT_LATELY)
    people = [buyer(now - 7 * DAY + TICK) for _number in range(3)]
    full("segment:lately")
    MembershipChange.objects.all().delete()

    assert follow_time(now=now + TICK) == 0

    run = Run.objects.get()
    assert (run.kind, run.subject, run.params) == ("refresh", "segment:lately", {"cause": "time"})
    assert queue() == []
    assert clocks() == {"segment:lately": now + TICK}
    assert follow_time(now=now + 2 * TICK) == 0
    assert Run.objects.count() == 1

    execute_run(run.pk, now=now + TICK)

    assert members(segment) == set()
    assert sorted(moves()) == sorted((pk.pk, "left", "time") for pk in people)


def test_a_full_refresh_for_time_leaves_to_the_queue_who_waits_there(now):
    segment = SegmentFactory(key="lately", rule={"any": [BOUGHT_LATELY, lives_in("Oslo")]})
    gone, moving = buyer(now - 7 * DAY + TICK), buyer(now - 8 * DAY, city="Oslo")
    full("segment:lately")
    MembershipChange.objects.all().delete()
    change(moving, city="Rome")

    full("segment:lately", now=now + TICK, cause=Cause.TIME)
    assert moves() == [(gone.pk, "left", "time")]

    drain(now=now + TICK)
    assert moves()[1:] == [(moving.pk, "left", "data")]
    assert members(segment) == set()


def test_what_others_speak_of_is_refreshed_first_and_they_with_it(now, monkeypatch):
    monkeypatch.setattr(clock_module, "full_from", lambda: 2)
    outer = SegmentFactory(
        key="a-outer", rule={"all": [{"not": {"op": "segment", "key": "z-inner"}}, {"not": BOUGHT_LATELY}]}
    )
    inner = SegmentFactory(key="z-inner", rule=BOUGHT_LATELY)
    people = {buyer(now - 7 * DAY + TICK).pk for _number in range(3)}
    full("segment:z-inner")
    MembershipChange.objects.all().delete()

    follow_time(now=now + TICK)

    run = Run.objects.get()
    assert run.subject == "segment:z-inner"
    execute_run(run.pk, now=now + TICK)
    assert (members(inner), members(outer)) == (set(), people)
    assert {cause for _profile, _change, cause in moves()} == {Cause.TIME}


def test_a_full_refresh_for_time_waits_for_what_the_rule_speaks_of(now):
    """Of the inner segment the queue has bob's row, who would be in the outer one for as long as that waits."""
    inner = SegmentFactory(key="inner", rule={"any": [BOUGHT_LATELY, lives_in("Oslo")]})
    outer = SegmentFactory(key="outer", rule={"all": [{"op": "segment", "key": "inner"}, {"not": BOUGHT_LATELY}]})
    ann, bob = buyer(now - 7 * DAY + TICK, city="Oslo"), buyer(now - 7 * DAY + TICK, city="Rome")
    full("segment:inner")
    MembershipChange.objects.all().delete()
    ProfileChange.objects.create(profile_id=bob.pk, topic="time", lane=Lane.CLOCK, due_at=now, holder="segment:inner")

    full("segment:outer", now=now + TICK, cause=Cause.TIME)
    assert moves() == [(ann.pk, "entered", "time")]

    drain(now=now + TICK)
    assert moves()[1:] == [(bob.pk, "left", "time")]
    assert (members(inner), members(outer)) == ({ann.pk}, {ann.pk})


def test_holders_that_others_speak_of_are_judged_along(now):
    """The row of the outer segment alone comes first: nobody may enter by what the inner one no longer says."""
    inner = SegmentFactory(key="inner", rule=BOUGHT_LATELY)
    outer = SegmentFactory(
        key="outer", rule={"all": [{"not": {"op": "segment", "key": "inner"}}, {"not": BOUGHT_LATELY}]}
    )
    late = SegmentFactory(key="late", rule={"all": [{"op": "segment", "key": "inner"}, {"not": lives_in("Rome")}]})
    ann = buyer(now - 7 * DAY + TICK, city="Rome")
    full("segment:inner")
    MembershipChange.objects.all().delete()

    change(ann, city="Oslo")
    drain(now=now + TICK)

    assert members(inner) == members(late) == set()
    assert members(outer) == {ann.pk}
    assert replayed(late) == set()


def test_dates_turn_at_midnight_of_the_business_zone(now):
    segment = SegmentFactory(
        key="soon", rule={"op": "attribute", "key": "birthday", "is": "anniversary_in_next", "value": {"days": 7}}
    )
    ann = person(birthday="1990-06-22")
    leap = person(birthday="2000-02-29")
    index_moments([ann.pk, leap.pk])
    full("segment:soon")
    midnight = datetime(2026, 6, 15, 16, tzinfo=UTC)

    assert follow_time(now=midnight - TICK) == 0
    assert follow_time(now=midnight) == 1
    drain(now=midnight)
    assert members(segment) == {ann.pk}

    assert follow_time(now=datetime(2027, 2, 21, 15, 59, tzinfo=UTC)) == 1  # ann leaves
    assert follow_time(now=datetime(2027, 2, 21, 16, tzinfo=UTC)) == 1  # the 28th counts for the 29th
    drain(now=datetime(2027, 2, 21, 16, tzinfo=UTC))
    assert members(segment) == {leap.pk}


# --- Cost: every leaf is looked up by an index, whatever the number of profiles ---

RULES = {
    "event": BOUGHT_LATELY,
    "days_ago": {"op": "event", "name": "Buy", "within": {"days_ago": [60, 30]}},
    "calendar": {"op": "event", "name": "Buy", "within": {"calendar": "yesterday"}},
    "date": {"op": "attribute", "key": "birthday", "is": "in_last", "value": {"days": 30}},
    "anniversary": {"op": "attribute", "key": "birthday", "is": "anniversary_in_next", "value": {"days": 7}},
    "age": {"op": "attribute", "key": "birthday", "is": "years_between", "value": [25, 30]},
    "first_seen": {"op": "attribute", "key": "first_seen_at", "is": "in_last", "value": {"days": 30}},
    "last_seen": {"op": "attribute", "key": "last_seen_at", "is": "not_in_last", "value": {"days": 30}},
    "created": {"op": "attribute", "key": "created_at", "is": "anniversary_in_next", "value": {"days": 7}},
    "tag": {"op": "tag", "key": "vip"},
    "for_days": {"op": "segment", "key": "base", "for_days": 30},
}


@pytest.fixture
def crowd(now: datetime) -> None:
    """Some thousands, spread over ten years, so that a look-up by index is cheaper than reading all."""
    tag, base = TagFactory(key="vip"), SegmentFactory(key="base", kind=Segment.Kind.STATIC, rule=None)
    buy = EventFactory(definition__name="Buy", occurred_at=now)
    birthday = AttributeDefinition.objects.get(key="birthday")
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH made AS (
                INSERT INTO profiles_profile (public_id, attributes, first_seen_at, created_at)
                SELECT gen_random_uuid(), '{}', %(now)s - i * interval '1 hour', %(now)s - i * interval '1 hour'
                FROM generate_series(1, 20000) AS i
                RETURNING id, first_seen_at
            )
            INSERT INTO profiles_lastsight (profile_id, at)
            SELECT id, first_seen_at + (%(now)s - first_seen_at) / 2 FROM made
            """,
            {"now": now},
        )
        people = "profiles_profile JOIN profiles_lastsight ON profile_id = id WHERE attributes = '{}'"
        cursor.execute(
            f"""
            INSERT INTO profiles_event (occurred_at, definition_id, profile_id, anchor_id, source_id)
            SELECT profiles_lastsight.at, %s, id, %s, %s FROM {people};
            """,
            [buy.definition_id, buy.anchor_id, buy.source_id],
        )
        cursor.execute(
            f"""
            INSERT INTO profiles_profilemoment (profile_id, definition_id, at, month_day)
            SELECT id, %s, day, extract(month FROM day) * 100 + extract(day FROM day)
            FROM (SELECT id, date_trunc('day', %s - id %% 20000 * interval '1 day', 'UTC') AS day FROM {people}) AS born
            """,
            [birthday.pk, now],
        )
        cursor.execute(
            f"INSERT INTO tags_tagassignment (tag_id, profile_id, assigned_at, expires_at) "
            f"SELECT %s, id, created_at, %s + (id %% 5000) * interval '1 hour' FROM {people}",
            [tag.pk, now],
        )
        cursor.execute(
            f"INSERT INTO segments_membership (segment_id, profile_id, entered_at) "
            f"SELECT %s, id, created_at FROM {people}",
            [base.pk],
        )
        for table in ("profile", "lastsight", "event", "profilemoment"):
            cursor.execute(f"ANALYZE profiles_{table}")
        cursor.execute("ANALYZE tags_tagassignment; ANALYZE segments_membership")


@pytest.mark.usefixtures("crowd")
def test_a_tick_reads_an_index_and_no_table_whole(now, monkeypatch):
    """Over the midnight of the business zone, where all of them turn."""
    for key, rule in RULES.items():
        SegmentFactory(key=key.replace("_", "-"), rule=rule)
    before = datetime(2026, 6, 15, 15, 59, 30, tzinfo=UTC)
    follow_time(now=before)
    assert clock_module.full_from() == 5_000  # a quarter of them
    plans: dict[str, str] = {}
    execute = connection.cursor().__class__.execute

    def explained(self: Any, sql: Any, params: Any = None) -> Any:
        if "candidate AS MATERIALIZED" in str(sql):
            execute(self, "EXPLAIN " + sql, params)
            plans[params[-2]] = "\n".join(row[0] for row in self.fetchall())
        return execute(self, sql, params)

    monkeypatch.setattr(connection.cursor().__class__, "execute", explained)
    set_local(random_page_cost="1.1")  # the tables are in memory; at the default, a small one is soon read whole
    follow_time(now=before + timedelta(minutes=1))

    assert plans.keys() == {f"segment:{key.replace('_', '-')}" for key in RULES}
    assert {key: plan for key, plan in plans.items() if "Seq Scan" in plan} == {}
