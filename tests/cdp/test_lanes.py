"""Work of a stage, on a bounded number of lanes."""

from itertools import count

import pytest

from cdp import lanes
from cdp.locks import session_lock

pytestmark = pytest.mark.django_db
STAGE = "messages_accepted"


@pytest.fixture
def woken(monkeypatch):
    stages = []
    monkeypatch.setattr(lanes, "wake", stages.append)
    return stages


@pytest.fixture
def backlog():
    """Three batches; `backlog.pop` works through one."""
    return [1, 1, 1]


def step_of(backlog):
    return lambda: backlog.pop() if backlog else 0


def test_a_task_works_until_nothing_is_left(backlog, woken):
    lanes.work_through(STAGE, step_of(backlog))

    assert backlog == []
    assert woken == []


def test_when_its_time_is_up_it_wakes_the_stage_again(backlog, woken, monkeypatch):
    monkeypatch.setattr(lanes.time, "monotonic", count(step=100).__next__)

    lanes.work_through(STAGE, step_of(backlog))

    assert backlog == [1, 1]
    assert woken == [STAGE]


def test_with_every_lane_taken_it_leaves_the_work_to_those_who_have_them(backlog, woken, settings):
    settings.STAGE_LANES = 2

    with session_lock(f"lane:{STAGE}", 0, wait=False), session_lock(f"lane:{STAGE}", 1, wait=False):
        lanes.work_through(STAGE, step_of(backlog))
    assert backlog == [1, 1, 1]

    with session_lock(f"lane:{STAGE}", 0, wait=False):
        lanes.work_through(STAGE, step_of(backlog))
    assert backlog == []
    assert woken == []


def test_the_lanes_of_one_stage_are_not_those_of_another(backlog, settings):
    settings.STAGE_LANES = 1

    with session_lock("lane:profiles_changed", 0, wait=False):
        lanes.work_through(STAGE, step_of(backlog))

    assert backlog == []
