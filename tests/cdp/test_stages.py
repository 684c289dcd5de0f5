"""Stages are woken by few messages."""

import time
from uuid import uuid4

import pytest
from django.db import transaction

from cdp import stages, throttle
from cdp.lanes import lane

ONCE = {"countdown": 0.2, "expires": 30}


@pytest.fixture
def stage(settings):
    """A stage that nobody has woken before; its task is "tests.one"."""
    name = f"one-{uuid4()}"
    settings.STAGES = {name: "tests.one", f"{name}-two": "tests.two"}
    return name


@pytest.fixture
def sent(monkeypatch):
    """The tasks sent, with their options."""
    tasks = []
    monkeypatch.setattr(stages.app, "send_task", lambda name, **options: tasks.append((name, options)))
    return tasks


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_many_wakings_send_one_message_after_which_all_of_them_are_committed(stage, sent):
    for _ in range(100):
        with transaction.atomic():
            stages.wake(stage)
    stages.wake(f"{stage}-two")

    assert sent == [("tests.one", ONCE), ("tests.two", ONCE)]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_waking_after_the_task_has_begun_sends_another_message(stage, sent):
    stages.wake(stage)
    with lane(stage):
        stages.wake(stage)
        stages.wake(stage)

    assert sent == [("tests.one", ONCE)] * 2


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_message_that_was_lost_does_not_keep_others_back(stage, sent, monkeypatch):
    monkeypatch.setattr(stages, "WAITING_SECONDS", 0.2)
    stages.wake(stage)
    time.sleep(0.4)  # a key of the broker may outlive its time by a moment
    stages.wake(stage)

    assert len(sent) == 2


@pytest.mark.django_db
def test_nothing_is_sent_before_the_commit(stage, sent, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks:
        stages.wake(stage)

    assert (len(callbacks), sent) == (1, [])


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_without_the_cache_beat_finds_the_work(stage, sent, monkeypatch):
    monkeypatch.setattr(throttle, "_away_until", time.monotonic() + 60)

    stages.wake(stage)

    assert sent == []
