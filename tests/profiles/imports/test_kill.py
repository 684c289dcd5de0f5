"""A worker that is killed in the middle of a file, again and again: afterwards every row is there, once."""

from __future__ import annotations

import os
import subprocess
import time
from itertools import pairwise

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from cdp.models import Run
from cdp.runs import execute_run
from profiles import tasks  # noqa: F401 - registers the work of runs
from profiles.models import Event, Import, MessageKey, Profile
from profiles.services.imports import create_import, queue_import
from profiles.services.orphans import count_orphans
from tests.factories.profiles import SourceFactory
from tests.killing import give_lines, kill_worker, start_python
from tests.profiles.imports.files import NOW

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

N_ROWS = int(os.environ.get("IMPORT_ROWS", "6000"))
N_KILLS = 3
BATCH = max(200, N_ROWS // 100)
# After each batch a line is read, so that a worker gets no further than it is let, however late it is killed.
N_LINES = 5
WORKER = """
import sys, django
django.setup()
from django.conf import settings
from django.db import connection
from django.utils import timezone
from cdp.runs import execute_run
from profiles import tasks
from profiles.imports import engine
engine.BATCH_ROWS = int(sys.argv[3])
def advance_and_read(*args, **counts):
    advance(*args, **counts)
    sys.stdin.readline()
advance, engine.advance = engine.advance, advance_and_read
settings.STORAGES["default"]["OPTIONS"]["location"] = sys.argv[2]
execute_run(int(sys.argv[1]), now=timezone.now())
"""


def content() -> bytes:
    """Every row twice in a row, every tenth pair without anybody, in GB18030."""
    lines = ["卡号,商品,金额,时间"]
    for number in range(N_ROWS // 2):
        card = "" if number % 10 == 0 else f"VIP{number % 1000:04d}"
        lines += [f"{card},茶叶,{number},2026-01-02 10:00"] * 2
    return "\n".join(lines).encode("gb18030")


def start_worker(run: Run) -> subprocess.Popen[bytes]:
    worker = start_python(WORKER, str(run.pk), default_storage.path(""), str(BATCH))
    give_lines(worker, N_LINES)
    return worker


def wait_until_behind(import_: Import, n_rows: int, worker: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + 300
    while Import.objects.get(pk=import_.pk).n_done < n_rows:
        assert worker.poll() is None, worker.communicate()[1].decode()
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_killed_again_and_again_every_row_is_taken_once():
    import_ = create_import(
        ContentFile(content()),
        name="sales.csv",
        source=SourceFactory(key="till"),
        mapping={
            "identifiers": {"卡号": "member_card"},
            "event": "Order Completed",
            "properties": {"商品": "item"},
            "value": {"column": "金额", "key": "total"},
            "time": "时间",
        },
        now=NOW,
    )
    run = queue_import(import_, user=None)

    places = [0]
    for _kill in range(N_KILLS):
        worker = start_worker(run)
        wait_until_behind(import_, places[-1] + 2 * BATCH, worker)
        kill_worker(worker, run)
        places.append(Import.objects.get(pk=import_.pk).n_done)
    execute_run(run.pk, now=NOW)

    assert all(one < other for one, other in pairwise(places))
    run.refresh_from_db()
    import_.refresh_from_db()
    n_refused = 2 * len(range(0, N_ROWS // 2, 10))
    n_events = N_ROWS - n_refused
    assert (run.state, run.error) == (Run.State.SUCCEEDED, "")
    assert (import_.n_done, import_.counts["refused"], import_.counts["events"]) == (N_ROWS, n_refused, n_events)
    assert Event.objects.count() == MessageKey.objects.count() == n_events
    assert Event.objects.values("value").distinct().count() == n_events // 2
    assert Profile.objects.count() == import_.counts["new"] == min(900, n_events // 2)
    assert count_orphans() == {}
    refused = import_.refused_file.open().read().decode("gb18030").splitlines()
    assert [line.partition(",")[0] for line in refused[1:]] == [
        str(row) for pair in range(0, N_ROWS // 2, 10) for row in (2 * pair + 1, 2 * pair + 2)
    ]
