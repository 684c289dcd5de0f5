"""Everybody at work at once, killed at random: no double, no gap, no reversal, nothing lost, and no deadlock."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from cdp.feeds import feeds
from cdp.models import Run
from cdp.rules.causes import Cause
from cdp.rules.holders import all_holders
from cdp.runs import execute_run
from cdp.servers.data_dir import BASE_DIR
from cdp.webhooks.outbox import LEASE
from cdp.webhooks.send import send_due
from profiles.ingest.process import process_batch
from profiles.models import Inheritance, MessageKey, ProfileChange, ProfileMerge
from profiles.refresh.changes import PUT_BACK_FOR, refresh_changes
from profiles.refresh.clock import follow_time
from profiles.refresh.full import Progress, refresh_one
from segments.models import MembershipChange, Segment, TierChange
from segments.services import save_segment
from tags.models import Tag, TagChange
from tags.services.expiry import end_expired
from tests.cdp.webhooks.receiver import BREAK, Receiver, receiver
from tests.factories.cdp import UserFactory
from tests.factories.profiles import SourceFactory
from tests.factories.segments import SegmentFactory, StaticSegmentFactory, TierSchemeFactory, lives_in
from tests.factories.tags import TagFactory, TagValueFactory
from tests.factories.webhooks import WebhookFactory
from tests.killing import environment
from tests.profiles.refresh.storm import ROLES
from tests.profiles.refresh.told import replayed, written_state
from tests.stacks import wait_for

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

N_KILLS = int(os.environ.get("STORM_KILLS", "6"))  # 100 took six minutes
SEED = int(os.environ.get("STORM_SEED", "1"))
CREW = ["collect", "process", "process", "follow", "follow", "tell", "tell", "edit", "join_and_part", "write_by_hand"]
BOUGHT = {"op": "event", "name": "Buy", "within": {"last_hours": 24}}
FEEDS = {"segments": MembershipChange, "tags": TagChange, "tiers": TierChange}


class Crew:
    """The processes by their place in CREW; one that is killed is replaced."""

    def __init__(self, program: subprocess.Popen[str], chance: random.Random) -> None:
        self.program, self.chance = program, chance
        self.pids = [self.start(role) for role in CREW]

    def start(self, role: str) -> int:
        assert self.program.stdin
        assert self.program.stdout
        self.program.stdin.write(f"{role} {self.chance.getrandbits(32)}\n")
        self.program.stdin.flush()
        return int(self.program.stdout.readline())

    def kill_one(self) -> None:
        place = self.chance.randrange(len(CREW))
        os.kill(self.pids[place], signal.SIGKILL)
        self.pids[place] = self.start(CREW[place])

    def are_gone(self) -> bool:
        return not any(Path(f"/proc/{pid}").exists() for pid in self.pids)


@contextmanager
def crew(folder: Path, chance: random.Random) -> Iterator[Crew]:
    """At work until the block ends. Whoever failed said so, and the test fails."""
    env = environment(STORM_STOP=str(folder / "stop"), WEBHOOK_NETWORKS="127.0.0.0/8")
    command = [sys.executable, "-m", "tests.profiles.refresh.storm"]
    with (
        (folder / "errors").open("w") as errors,
        subprocess.Popen(
            command, cwd=BASE_DIR, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        ) as program,
    ):
        try:
            found = Crew(program, chance)
            yield found
        finally:
            (folder / "stop").touch()
            ends = time.monotonic() + 300
            while not found.are_gone():
                assert time.monotonic() < ends, "somebody hangs"
                time.sleep(0.05)
    assert "Traceback" not in (said := (folder / "errors").read_text()), said


def wait_for_more(before: int, *, n: int = 5) -> None:
    """Until that many more messages are processed, so that kills fall into the work however fast it is."""
    ends = time.monotonic() + 300
    while MessageKey.objects.count() < before + n:
        assert time.monotonic() < ends, "nothing is processed any more"
        time.sleep(0.01)


def read_on(seen: dict[str, list[int]]) -> None:
    """From the last id, as an integration does."""
    for key, model in FEEDS.items():
        last = seen[key][-1] if seen[key] else 0
        seen[key] += model._default_manager.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)


def has_happened(seen: dict[str, list[int]]) -> bool:
    read_on(seen)
    return all(seen.values()) and ProfileMerge.objects.filter(undone_at__isnull=False).exists()


def n_deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        (n,) = cursor.fetchone()
        return int(n)


def furnish(url: str) -> None:
    """Holders that speak of each other, things by hand, and two who hear of everything."""
    UserFactory(username="storm")
    SourceFactory(key="storm")
    SegmentFactory(key="inner", rule=lives_in("Oslo"))
    tag = TagFactory(key="kind", kind=Tag.Kind.RULE)
    TagValueFactory(tag=tag, key="here", rule=lives_in("Oslo"), position=0)
    TagValueFactory(tag=tag, key="in", rule={"op": "segment", "key": "inner"}, position=1)
    StaticSegmentFactory(key="guests")
    TagFactory(key="plain")
    plain = {"op": "tag", "key": "plain"}
    SegmentFactory(key="outer", rule={"any": [{"not": {"op": "tag", "key": "kind"}}, plain, BOUGHT]})
    SegmentFactory(key="both", rule={"all": [{"op": "segment", "key": "inner"}, {"op": "segment", "key": "guests"}]})
    TierSchemeFactory(key="club", tiers={"gold": BOUGHT | {"is": "gte", "value": 2}, "silver": plain, "basic": None})
    for _number in range(2):
        WebhookFactory(hears=list(FEEDS), url=url, batch_size=20)


def calm_down() -> None:
    """What is left when all are gone: their messages, runs, rows of the queue, and what webhooks have not heard."""
    while process_batch(now=timezone.now()).n_messages:
        pass
    while run := Run.objects.unfinished().order_by("pk").first():
        execute_run(run.pk, now=timezone.now())
    later = timezone.now() + 2 * PUT_BACK_FOR
    follow_time(now=later)
    end_expired(now=later)
    while refresh_changes(now=later):
        pass
    assert not ProfileChange.objects.filter(due_at__lte=later).exists()
    after_the_leases = timezone.now() + 2 * LEASE
    while send_due(now=lambda: after_the_leases):
        pass
    assert not Run.objects.exclude(state=Run.State.SUCCEEDED).exists()


def check_refreshed() -> None:
    now = timezone.now() + 2 * PUT_BACK_FOR
    keys = [holder.key for holder in all_holders()]
    assert not Inheritance.objects.filter(holder__in=keys).exists()
    for key in keys:
        progress = Progress(None)
        refresh_one(key, now=now, cause=Cause.RULE, progress=progress)
        assert progress.done == 0, key
    assert not Segment.objects.exclude(refresh_error="").exists()


def check_feeds() -> None:
    state = written_state()
    assert replayed(timezone.now() + timedelta(days=1)) == state
    for segment in Segment.objects.all():
        assert segment.n_members == len(state.get(("segment", segment.key), ()))
    for model in FEEDS.values():
        assert not model._default_manager.filter(cause=Cause.CORRECTION).exists(), model


def check_heard(heard: Receiver) -> None:
    """By each of the two all of each feed, in its order, once the doubles are dropped by the ids of their messages."""
    for key, model in FEEDS.items():
        ids = list(model._default_manager.order_by("pk").values_list("pk", flat=True))
        assert feeds()[key].head() == ids[-1]
        messages = {
            each.id: [change["id"] for change in each.json["data"]["changes"]]
            for each in heard.heard
            if each.json["type"] == f"{key}.changed"
        }
        told = [pk for changes in messages.values() for pk in changes]
        assert sorted(told) == sorted([*ids, *ids])
        firsts = list(dict.fromkeys(told))
        assert firsts == ids


def test_a_storm_leaves_everything_in_order(tmp_path, settings):
    settings.WEBHOOK_NETWORKS = (ip_network("127.0.0.0/8"),)
    chance = random.Random(SEED)
    seen: dict[str, list[int]] = {key: [] for key in FEEDS}
    before = n_deadlocks()
    with receiver() as heard:
        heard.answers = [chance.choice([204, 204, 204, 500, BREAK]) for _number in range(20 * N_KILLS)]
        furnish(heard.url)
        for segment in Segment.objects.filter(kind=Segment.Kind.DYNAMIC):
            save_segment(segment)
        with crew(tmp_path, chance) as workers:
            for _number in range(N_KILLS):
                wait_for_more(MessageKey.objects.count())
                workers.kill_one()
                read_on(seen)
            wait_for(lambda: has_happened(seen), "something in each feed, and a merge that is undone")
        heard.answers.clear()
        calm_down()
        check_refreshed()
        check_feeds()
        check_heard(heard)

    for key, model in FEEDS.items():
        ids = list(model._default_manager.order_by("pk").values_list("pk", flat=True))
        assert seen[key] == ids[: len(seen[key])]
    assert n_deadlocks() == before
    assert set(CREW) == set(ROLES)
