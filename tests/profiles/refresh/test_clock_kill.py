"""Workers that tick and judge side by side, and are killed: everybody leaves on time, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from datetime import timedelta

import pytest

from profiles.models import HolderClock
from profiles.refresh.clock import follow_time
from segments.models import MembershipChange, TierChange
from tests.factories.profiles import EventDefinitionFactory, EventFactory
from tests.factories.segments import SegmentFactory, TierSchemeFactory
from tests.killing import start_python
from tests.profiles.refresh.shorthand import NOW, drain, full, members, person, replayed, standings

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

N_PEOPLE = int(os.environ.get("CLOCK_PEOPLE", "300"))
N_KILLS = max(4, N_PEOPLE // 500)
# A worker whose minutes are short: each tick is one of them, until all of them are over.
WORKER = """
import sys, django
django.setup()
from datetime import datetime, timedelta
from profiles.models import HolderClock
from profiles.refresh.changes import refresh_changes
from profiles.refresh.clock import follow_time
end = datetime.fromisoformat(sys.argv[1])
while (now := HolderClock.objects.get(holder="segment:lately").clocked_at + timedelta(minutes=1)) <= end:
    follow_time(now=now)
    refresh_changes(now=now, limit=7)
"""


def start_worker() -> subprocess.Popen[bytes]:
    return start_python(WORKER, (NOW + timedelta(minutes=N_PEOPLE)).isoformat())


def minutes() -> float:
    return (HolderClock.objects.get(holder="segment:lately").clocked_at - NOW) / timedelta(minutes=1)


def wait_for_minute(minute: float, workers: list[subprocess.Popen[bytes]]) -> None:
    ends = time.monotonic() + 600
    while minutes() < minute:
        for worker in workers:
            assert worker.poll() in (None, 0), worker.communicate()[1].decode()
        assert time.monotonic() < ends
        time.sleep(0.005)


def test_killed_again_and_again_everybody_leaves_once_and_because_of_time():
    lately = SegmentFactory(
        key="lately", rule={"op": "event", "name": "Buy", "within": {"last_days": 7}, "is": "gte", "value": 1}
    )
    scheme = TierSchemeFactory(key="club", tiers={"gold": {"op": "segment", "key": "lately"}, "basic": None})
    buy = EventDefinitionFactory(name="Buy")
    people = [person() for _number in range(N_PEOPLE)]
    for minute, profile in enumerate(people, start=1):
        EventFactory(profile=profile, definition=buy, occurred_at=NOW - timedelta(days=7) + timedelta(minutes=minute))
    full("segment:lately")
    assert members(lately) == {profile.pk for profile in people}
    chance, workers = random.Random(7), [start_worker(), start_worker()]

    for kill in range(N_KILLS):
        wait_for_minute((kill + 1) * N_PEOPLE / (N_KILLS + 2), workers)
        victim = chance.randrange(2)
        workers[victim].send_signal(signal.SIGKILL)
        workers[victim].wait(120)
        workers[victim] = start_worker()
    for worker in workers:
        assert worker.wait(600) == 0, worker.communicate()[1].decode()
    end = NOW + timedelta(minutes=N_PEOPLE)
    follow_time(now=end)
    drain(now=end)

    assert members(lately) == set() == replayed(lately)
    left = MembershipChange.objects.filter(change="left").values_list("profile", "cause")
    assert sorted(left) == sorted((profile.pk, "time") for profile in people)
    assert standings(scheme) == {profile.pk: "basic" for profile in people}
    demoted = TierChange.objects.filter(after="basic").values_list("profile", "cause")
    assert sorted(demoted) == sorted((profile.pk, "time") for profile in people)
