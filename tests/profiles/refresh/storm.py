"""Everybody at work at once, as processes that may be killed at any line; `test_storm.py` starts and kills them.

Run as a program it stands by, with everything loaded: each line that it reads, a role and a seed, becomes a process of
that role, whose id it answers with. What goes wrong is written to the standard error, which must stay empty.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import django

STOP = Path(os.environ.get("STORM_STOP", "/nonexistent"))
N_NAMES = 24  # of visitors, and of users half as many
CITIES = ["Oslo", "Rome", "Paris"]


def collect(chance: random.Random) -> None:
    """A few messages; every third links two names, which often merges two people."""
    source = Source.objects.get(key="storm")
    messages = []
    for _number in range(chance.randint(1, 8)):
        names = [f"v{chance.randrange(N_NAMES)}" for _ in range(chance.choice([1, 1, 2]))]
        ids = [{"type": "anonymous_id", "id": name} for name in names]
        if chance.random() < 0.3:
            ids.append({"type": "user_id", "id": f"u{chance.randrange(N_NAMES // 2)}"})
        said = (
            {"type": "identify", "traits": {"city": chance.choice(CITIES)}}
            if chance.random() < 0.5
            else {"type": "track", "event": "Buy", "properties": {"total": chance.randint(1, 9)}}
        )
        sent_at = timezone.now() - timedelta(seconds=chance.choice([0, 0, 1, 86_400]))
        messages.append(
            said
            | {"messageId": f"m{chance.getrandbits(64)}", "timestamp": sent_at.isoformat()}
            | {"context": {"externalIds": ids}}
        )
    accept_messages(source, messages, received_at=timezone.now())
    time.sleep(0.03)


def process(chance: random.Random) -> None:
    process_batch(now=timezone.now())


def follow(chance: random.Random) -> None:
    """A worker: changes, the clock, what ends."""
    if chance.random() < 0.2:
        follow_time(now=timezone.now())
        end_expired(now=timezone.now())
    refresh_changes(now=timezone.now, limit=chance.choice([2, 10, 500]))


def tell(chance: random.Random) -> None:
    send_due(now=timezone.now)
    time.sleep(0.02)


def edit(chance: random.Random) -> None:
    """Other rules, an archive, full refreshes and checks, and whatever runs others left behind."""
    what = chance.choice(["inner", "tag", "tiers", "archive", "check", "runs", "runs"])
    city = chance.choice(CITIES)
    lives = {"op": "attribute", "key": "city", "is": "eq", "value": city}
    if what == "inner":
        segment = Segment.objects.get(key="inner")
        segment.rule = chance.choice([lives, {"not": lives}])
        save_segment(segment)
    elif what == "tag":
        tag = Tag.objects.get(key="kind")
        values = list(tag.values.order_by("position"))
        values[0].rule = lives
        save_tag(tag, values=values)
    elif what == "tiers":
        scheme = TierScheme.objects.get(key="club")
        tiers = list(scheme.tiers.order_by("position"))
        tiers[0].entry = {"op": "event", "name": "Buy", "is": "gte", "value": chance.randint(1, 5)}
        save_tier_scheme(scheme, tiers=tiers)
    elif what == "archive":
        user = User.objects.get(username="storm")
        segment = Segment.objects.get(key="outer")
        if segment.archived_at is None:
            archive_segment(segment, user=user, now=timezone.now())
        else:
            restore_segment(segment, user=user)
    elif what == "check":
        queue_run(CHECK, SUBJECT)
    for run in Run.objects.unfinished().order_by("pk")[:3]:
        execute_run(run.pk, now=timezone.now())


def join_and_part(chance: random.Random) -> None:
    """Merges by hand, undos and splits."""
    people = list(Profile.objects.current().order_by("?").values_list("pk", flat=True)[:2])
    merges = list(ProfileMerge.objects.filter(undone_at=None).order_by("?")[:1])
    try:
        if merges and chance.random() < 0.6:
            undo_merge(merges[0], user=None, now=timezone.now())
        elif len(people) == 2 and chance.random() < 0.7:
            merge_profiles(people, user=None, now=timezone.now())
        elif people:
            profile = Profile.objects.get(pk=people[0])
            split_profile(profile, profile.identifiers.order_by("?")[:1], user=None, now=timezone.now())
    except IdentityError:
        pass
    if chance.random() < 0.3:
        for separation in Separation.objects.in_force().order_by("?")[:20]:
            lift_separation(separation, user=None, now=timezone.now())
    time.sleep(0.02)


def write_by_hand(chance: random.Random) -> None:
    people = list(Profile.objects.order_by("?").values_list("pk", flat=True)[:3])
    guests, plain = Segment.objects.get(key="guests"), Tag.objects.get(key="plain")
    now = timezone.now()
    chance.choice(
        [
            lambda: add_members(guests, people, now=now),
            lambda: remove_members(guests, people, now=now),
            lambda: assign_tag(plain, people, expires_at=now + timedelta(seconds=chance.randint(1, 5)), now=now),
            lambda: assign_tag(plain, people, now=now),
            lambda: unassign_tag(plain, people, now=now),
        ]
    )()
    time.sleep(0.02)


ROLES: dict[str, Callable[[random.Random], None]] = {
    each.__name__: each for each in (collect, process, follow, tell, edit, join_and_part, write_by_hand)
}


def play(role: str, seed: int) -> None:
    """Until somebody makes the file STOP, or kills it."""
    outbox.LEASE = timedelta(seconds=1)
    outbox.BACK_OFF_SECONDS = (0.1,)  # type: ignore[assignment]
    chance = random.Random(seed)
    while not STOP.exists():
        ROLES[role](chance)


def stand_by() -> None:
    """Fork a process for each line that is read. They are nobody's to wait for."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        role, seed = line.split()
        pid = os.fork()
        if pid == 0:
            try:
                play(role, int(seed))
            except BaseException:
                sys.stderr.write(f"{role} {seed}\n{traceback.format_exc()}")
                sys.stderr.flush()
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    django.setup()

from django.utils import timezone  # noqa: E402 - Django must be set up before models are read

import profiles.tasks  # noqa: E402, F401 - what runs do
from cdp.models import Run, User  # noqa: E402
from cdp.runs import execute_run, queue_run  # noqa: E402
from cdp.webhooks import outbox  # noqa: E402
from cdp.webhooks.send import send_due  # noqa: E402
from profiles.identity.errors import IdentityError  # noqa: E402
from profiles.ingest.accept import accept_messages  # noqa: E402
from profiles.ingest.process import process_batch  # noqa: E402
from profiles.models import Profile, ProfileMerge, Separation, Source  # noqa: E402
from profiles.refresh.changes import refresh_changes  # noqa: E402
from profiles.refresh.check import SUBJECT  # noqa: E402
from profiles.refresh.clock import follow_time  # noqa: E402
from profiles.refresh.queue import CHECK  # noqa: E402
from profiles.services.identity import lift_separation, merge_profiles, split_profile, undo_merge  # noqa: E402
from segments.models import Segment, TierScheme  # noqa: E402
from segments.services import add_members, remove_members, save_segment, save_tier_scheme  # noqa: E402
from segments.services.upkeep import archive_segment, restore_segment  # noqa: E402
from tags.models import Tag  # noqa: E402
from tags.services import assign_tag, save_tag, unassign_tag  # noqa: E402
from tags.services.expiry import end_expired  # noqa: E402

if __name__ == "__main__":
    stand_by()
