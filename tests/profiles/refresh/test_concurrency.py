"""Workers side by side: two that judge by change, full refreshes, and merges, on real connections."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from cdp.local_settings import set_local
from cdp.locks import advisory_lock, own_session
from cdp.rules.causes import Cause
from cdp.rules.holders import Holder, Move, holder_of
from profiles.followers import Merged
from profiles.ingest import process
from profiles.ingest.accept import accept_messages
from profiles.ingest.counters import write_tally
from profiles.ingest.process import process_batch
from profiles.models import Profile, ProfileChange
from profiles.refresh.changes import PUT_BACK_FOR, refresh_changes
from profiles.refresh.full import refresh_in_full
from profiles.refresh.gates import Passage
from segments.followers.memberships import MembershipFollower
from segments.models import MembershipChange, Segment
from tests.elsewhere import PATIENCE, PAUSE, Elsewhere
from tests.factories.profiles import ProfileFactory, SourceFactory
from tests.factories.segments import SegmentFactory, TierSchemeFactory, lives_in
from tests.profiles.ingest.messages import START, identify, profile_of, send
from tests.profiles.refresh.shorthand import members, replayed

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

N_PEOPLE, N_EDITS = 30, 120


def together(*jobs: Callable[[], Any]) -> None:
    """Run the jobs in threads with connections of their own, to the end of all; raises the error of one."""
    with ExitStack() as all_end:
        for job in jobs:
            all_end.callback(Elsewhere(job).finish)


def move(profile_id: int, city: str) -> None:
    """As collecting does: the golden record and the row of the queue in one transaction."""
    with transaction.atomic():
        Profile.objects.filter(pk=profile_id).update(attributes={"city": city})
        ProfileChange.objects.create(profile_id=profile_id, topic="attribute:city", due_at=timezone.now())


def test_two_workers_full_refreshes_and_edits_end_right():
    people = [ProfileFactory(attributes={"city": "Oslo"}).pk for _number in range(N_PEOPLE)]
    inner = SegmentFactory(key="inner")
    outer = SegmentFactory(key="outer", rule={"not": {"op": "segment", "key": "inner"}})
    chance = random.Random(7)
    is_over = threading.Event()
    seen: list[int] = []

    def edit() -> None:
        for _number in range(N_EDITS):
            move(chance.choice(people), chance.choice(["Oslo", "Rome"]))
        is_over.set()

    def work() -> None:
        while not is_over.is_set():
            refresh_changes(now=timezone.now, limit=5)

    def rebuild() -> None:
        while not is_over.is_set():
            refresh_in_full(holder_of("segment:inner"), now=timezone.now, cause=Cause.RULE)

    def read_the_feed() -> None:
        """Reads on from the last id, as an integration does; a row that appears behind it would be lost."""
        while not is_over.is_set():
            last = seen[-1] if seen else 0
            seen.extend(MembershipChange.objects.filter(id__gt=last).order_by("id").values_list("id", flat=True))

    together(edit, work, work, rebuild, read_the_feed)
    while refresh_changes(now=timezone.now() + 2 * PUT_BACK_FOR):
        pass

    in_oslo = set(Profile.objects.filter(attributes__city="Oslo").values_list("pk", flat=True))
    assert members(inner) == in_oslo == replayed(inner)
    assert members(outer) == set(people) - in_oslo == replayed(outer)
    for segment in (inner, outer):
        segment.refresh_from_db()
        assert segment.n_members == len(members(segment))
    ids = list(MembershipChange.objects.order_by("id").values_list("id", flat=True))
    assert seen == ids[: len(seen)]


class HeldUp:
    """A clock for one batch. It is read for what is due, and again behind the locks, where the batch is held up."""

    def __init__(self) -> None:
        self.n_read = 0
        self.reached, self.released = threading.Event(), threading.Event()

    def __call__(self) -> datetime:
        self.n_read += 1
        if self.n_read == 2:
            self.reached.set()
            assert self.released.wait(timeout=PATIENCE)
        return timezone.now()

    def release_soon(self) -> None:
        threading.Timer(0.3, self.released.set).start()


def test_rule_that_is_edited_while_a_batch_judges_by_the_old_one_wins():
    segment = SegmentFactory()
    move(ProfileFactory().pk, "Oslo")
    clock = HeldUp()

    def edit_and_refresh() -> None:
        assert clock.reached.wait(timeout=PATIENCE)
        Segment.objects.update(rule=lives_in("Rome"))
        clock.release_soon()
        refresh_in_full(holder_of(f"segment:{segment.key}"), now=timezone.now, cause=Cause.RULE)

    together(lambda: refresh_changes(now=clock), edit_and_refresh)

    assert members(segment) == set() == replayed(segment)


def test_batch_that_does_not_know_a_new_dependent_yet_is_waited_for():
    inner = SegmentFactory(key="inner")
    ann = ProfileFactory()
    move(ann.pk, "Oslo")
    clock = HeldUp()

    def make_and_refresh() -> None:
        assert clock.reached.wait(timeout=PATIENCE)
        SegmentFactory(key="outer", rule={"op": "segment", "key": "inner"})
        clock.release_soon()
        refresh_in_full(holder_of("segment:outer"), now=timezone.now, cause=Cause.RULE)

    together(lambda: refresh_changes(now=clock), make_and_refresh)

    assert members(inner) == members(Segment.objects.get(key="outer")) == {ann.pk}


def test_gates_are_left_when_the_batch_has_committed(monkeypatch):
    """A full refresh that came in between would not see what it wrote."""
    segment = SegmentFactory()
    move((ann := ProfileFactory()).pk, "Oslo")
    seen: list[Any] = []
    leave = Passage.leave

    def look_and_leave(passing: Passage) -> None:
        with own_session() as other:
            seen.extend(other.execute("SELECT profile_id FROM segments_membership").fetchall())
        leave(passing)

    monkeypatch.setattr(Passage, "leave", look_and_leave)
    refresh_changes(now=timezone.now)

    assert seen == [(ann.pk,)]
    assert members(segment) == {ann.pk}


@pytest.mark.parametrize("keys", [("segment:loyal", "segment:new"), ("tier:club", "tier:staff")])
def test_feed_is_written_by_one_transaction_at_a_time(keys):
    for key in ("loyal", "new"):
        SegmentFactory(key=key)
    for key in ("club", "staff"):
        TierSchemeFactory(key=key, tiers={"basic": None})
    first, second = map(holder_of, keys)
    ann = ProfileFactory()

    def write(holder: Holder) -> None:
        with transaction.atomic():
            set_local(lock_timeout="200ms")
            move = Move(ann.pk, None, holder.outcomes()[0].id)
            holder.record([move], cause=Cause.DATA, now=timezone.now())

    with transaction.atomic():
        write(first)
        with pytest.raises(OperationalError, match="lock timeout"):
            together(lambda: write(second))
    together(lambda: write(second))


def test_a_rule_saved_while_messages_are_processed_misses_nobody(monkeypatch):
    """The batch has read that nobody asks for cities: who asks from now on waits for it."""
    source, now = SourceFactory(), START + timedelta(days=1)
    send(source, identify(user="u1", at=0, city="Rome"))
    refresh_changes(now=timezone.now)
    is_open, may_commit = threading.Event(), threading.Event()
    waiting: list[bool] = []

    def work() -> None:
        accept_messages(source, [identify(user="u1", at=1, city="Oslo")], received_at=now)

        def stop_before_commit(*args: Any, **kwargs: Any) -> None:
            write_tally(*args, **kwargs)
            is_open.set()
            assert may_commit.wait(PATIENCE)

        monkeypatch.setattr(process, "write_tally", stop_before_commit)
        process_batch(now=now)

    def save() -> None:
        assert is_open.wait(PATIENCE)
        segment = SegmentFactory(rule=lives_in("Oslo"))
        refresh_in_full(holder_of(f"segment:{segment.key}"), now=timezone.now, cause=Cause.RULE)

    def commit() -> None:
        assert is_open.wait(PATIENCE)
        waiting.append(somebody_waits_for_a_lock())
        may_commit.set()

    together(work, save, commit)

    assert waiting == [True]
    assert not ProfileChange.objects.exists()
    assert members(Segment.objects.get()) == {profile_of("user_id", "u1").pk}


def test_a_batch_waits_until_who_is_whom_is_settled():
    accept_messages(SourceFactory(), [identify(user="u1", city="Oslo")], received_at=START)

    def settle() -> None:
        with transaction.atomic():
            advisory_lock("identity")
            is_settling.set()
            waiting.append(somebody_waits_for_a_lock())
            assert not Profile.objects.exists()

    def work() -> None:
        assert is_settling.wait(PATIENCE)
        process_batch(now=START)

    is_settling, waiting = threading.Event(), list[bool]()
    together(settle, work)

    assert waiting == [True]
    assert Profile.objects.count() == 1


def somebody_waits_for_a_lock() -> bool:
    """Whether a session of this database comes to wait for an advisory lock."""
    until = time.monotonic() + PATIENCE / 2  # before those give up who wait for the answer
    with connection.cursor() as cursor:
        while time.monotonic() < until:
            cursor.execute(
                """
                SELECT FROM pg_locks
                WHERE locktype = 'advisory' AND NOT granted
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                """
            )
            if cursor.fetchall():
                return True
            time.sleep(PAUSE)
    return False


def test_merge_and_judgement_of_one_profile_take_turns():
    segment = SegmentFactory()
    for _number in range(10):
        ann, absorbed = ProfileFactory(attributes={"city": "Oslo"}), ProfileFactory(attributes={"city": "Oslo"})
        ProfileChange.objects.create(profile_id=absorbed.pk, topic="created", due_at=timezone.now())
        ProfileChange.objects.create(profile_id=ann.pk, topic="created", due_at=timezone.now())

        def merge(survivor: int = ann.pk, gone: int = absorbed.pk) -> None:
            now = datetime(2026, 6, 15, tzinfo=UTC)
            with transaction.atomic():
                list(Profile.objects.filter(pk__in=[survivor, gone]).order_by("pk").select_for_update(no_key=True))
                Profile.objects.filter(pk=gone).update(merged_into=survivor, attributes={})
                ProfileChange.objects.create(profile_id=survivor, topic="merge", due_at=now)
                MembershipFollower().merge([Merged(gone, survivor)], now=now)

        together(merge, lambda: refresh_changes(now=timezone.now))
    while refresh_changes(now=timezone.now() + 2 * PUT_BACK_FOR):
        pass

    standing = set(Profile.objects.current().values_list("pk", flat=True))
    assert members(segment) == standing == replayed(segment)
    segment.refresh_from_db()
    assert segment.n_members == len(standing)
