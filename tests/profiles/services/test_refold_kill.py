"""A worker that is killed while it folds everybody again, or gives events their value: afterwards all is done, and it
is told how many changed.
"""

from __future__ import annotations

import os
import subprocess
import time
from datetime import timedelta
from itertools import pairwise

import pytest

from cdp.models import Run
from cdp.runs import execute_run
from profiles import tasks  # noqa: F401 - registers the work of runs
from profiles.models import Event, EventDefinition, Profile
from profiles.services.definitions import save_attribute, save_event_definition
from tests.factories.profiles import AttributeDefinitionFactory, SourceFactory
from tests.killing import give_lines, kill_worker, start_python
from tests.profiles.ingest.messages import START, identify, send, track

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

NOW = START + timedelta(days=1)
N_PEOPLE = int(os.environ.get("REFOLD_PEOPLE", "600"))
CHUNK = max(1, N_PEOPLE // 200)
N_KILLS = 2
# After each chunk a line is read, so that a worker gets no further than it is let, however late it is killed.
N_LINES = 20
WORKER = """
import sys, django
django.setup()
from django.utils import timezone
from cdp.runs import execute_run
from profiles import tasks
from profiles.services import definitions, event_values
definitions.CHUNK = event_values.CHUNK = int(sys.argv[2])
def advance_and_read(*args, **counts):
    advance(*args, **counts)
    sys.stdin.readline()
advance, definitions.advance, event_values.advance = definitions.advance, advance_and_read, advance_and_read
execute_run(int(sys.argv[1]), now=timezone.now())
"""


def start_worker(run: Run) -> subprocess.Popen[bytes]:
    worker = start_python(WORKER, str(run.pk), str(CHUNK))
    give_lines(worker, N_LINES)
    return worker


def n_done(run: Run) -> int:
    params = Run.objects.get(pk=run.pk).params
    done: int = params.get("n_profiles", params.get("n_events", 0))
    return done


def wait_until_behind(run: Run, n_people: int, worker: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + 300
    while n_done(run) < n_people:
        assert worker.poll() is None, worker.communicate()[1].decode()
        assert time.monotonic() < ends
        time.sleep(0.005)


def carry_out_killed(run: Run) -> None:
    """The last worker lives, and finishes what the others were killed at."""
    places = [0]
    for _kill in range(N_KILLS):
        worker = start_worker(run)
        wait_until_behind(run, places[-1] + 2 * CHUNK, worker)
        kill_worker(worker, run)
        places.append(n_done(run))
    execute_run(run.pk, now=NOW)

    assert all(one < other for one, other in pairwise([*places, N_PEOPLE]))
    run.refresh_from_db()


def test_killed_again_and_again_everybody_is_folded_and_counted_once():
    definition = AttributeDefinitionFactory(key="code", type="text")
    said = [identify(user=f"u{n}", code="many" if n % 10 == 0 else str(n)) for n in range(N_PEOPLE)]
    send(SourceFactory(), *said)
    definition.type = "number"
    run = save_attribute(definition, user=None)
    assert run is not None

    carry_out_killed(run)

    assert (run.state, run.done, run.counts) == ("succeeded", N_PEOPLE, {"changed": N_PEOPLE, "refreshed": 0})
    shown = Profile.objects.order_by("pk").values_list("attributes", flat=True)
    codes = [attributes.get("code") for attributes in shown]
    assert sorted(code for code in codes if code is not None) == [n for n in range(N_PEOPLE) if n % 10]
    assert codes.count(None) == N_PEOPLE // 10


def test_killed_again_and_again_every_event_gets_its_value_and_is_counted_once():
    send(SourceFactory(), *(track("Purchase", user=f"u{n}", total=n) for n in range(N_PEOPLE)))
    definition = EventDefinition.objects.get(name="Purchase")
    definition.value_property = "total"
    run = save_event_definition(definition, user=None)
    assert run is not None

    carry_out_killed(run)

    counts = {"events": N_PEOPLE, "valued": N_PEOPLE, "refreshed": 0}
    assert (run.state, run.done, run.counts) == ("succeeded", N_PEOPLE, counts)
    assert sorted(Event.objects.values_list("value", flat=True)) == list(range(N_PEOPLE))
