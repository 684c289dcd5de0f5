"""Which runs a worker takes up."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from cdp import runs, tasks
from cdp.locks import session_lock
from cdp.models import Run

pytestmark = pytest.mark.django_db
LONG, SHORT = "long_probe", "short_probe"


@pytest.fixture(autouse=True)
def kinds():
    """Two kinds of work, which are forgotten afterwards."""
    runs.run_kind(LONG, is_long=True)(lambda run, now: None)
    runs.run_kind(SHORT)(lambda run, now: None)
    yield
    for kind in (LONG, SHORT):
        del runs._functions[kind]
    runs._long.discard(LONG)


def test_long_work_leaves_one_place_to_messages_and_short_work(settings):
    settings.STAGE_LANES = 2
    long, short = (Run.objects.create(kind=kind, subject="x") for kind in (LONG, SHORT))

    with session_lock(f"lane:{tasks.LONG_RUNS}", 0, wait=False):
        tasks.execute_run(long.pk)
        tasks.execute_run(short.pk)

    assert [Run.objects.get(pk=run.pk).state for run in (long, short)] == [Run.State.QUEUED, Run.State.SUCCEEDED]


@pytest.mark.parametrize("places", [1, 2], ids=str)
def test_long_work_has_a_place_however_few_there_are(settings, places):
    settings.STAGE_LANES = places
    run = Run.objects.create(kind=LONG, subject="x")

    tasks.execute_run(run.pk)

    assert Run.objects.get(pk=run.pk).state == Run.State.SUCCEEDED


def test_long_work_that_ends_sends_out_what_waited_for_its_place(settings, monkeypatch):
    settings.STAGE_LANES = 2
    first, second = (Run.objects.create(kind=LONG, subject=subject) for subject in "ab")
    sent = []
    monkeypatch.setattr(runs, "hurry", sent.append)

    tasks.execute_run(first.pk)

    assert sent == [second.pk]


def test_long_work_that_was_cut_off_is_left_to_beat(settings, monkeypatch):
    settings.STAGE_LANES = 2
    first, second, _third = (Run.objects.create(kind=LONG, subject=subject) for subject in "abc")
    sent = []
    monkeypatch.setattr(runs, "hurry", sent.append)
    monkeypatch.setitem(runs._functions, LONG, cut_off)

    tasks.execute_run(first.pk)

    assert Run.objects.get(pk=first.pk).state == Run.State.RUNNING
    assert sent == [second.pk]


def cut_off(run, now):
    raise OperationalError("the database is away")


def test_of_long_work_that_waits_no_more_is_sent_again_than_there_are_places(settings, monkeypatch):
    settings.STAGE_LANES = 2
    long = [Run.objects.create(kind=LONG, subject=str(n)).pk for n in range(5)]
    short = Run.objects.create(kind=SHORT, subject="x").pk
    sent = []
    monkeypatch.setattr(runs, "hurry", sent.append)

    assert runs.resume_runs() == 3

    assert sent == [*long[:2], short]
