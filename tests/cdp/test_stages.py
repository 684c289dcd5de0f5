"""Stages are woken by few messages."""

import time

import pytest
from django.db import transaction

from cdp import stages, throttle


@pytest.fixture
def sent(monkeypatch, settings):
    """The tasks sent, with their options; stages are woken by no other test."""
    settings.STAGES = {"one": "tests.one", "two": "tests.two"}
    tasks = []
    monkeypatch.setattr(stages.app, "send_task", lambda name, **options: tasks.append((name, options)))
    time.sleep(stages.DELAY_SECONDS)
    return tasks


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_many_wakings_send_one_message_after_which_all_of_them_are_committed(sent):
    for _ in range(100):
        with transaction.atomic():
            stages.wake("one")
    stages.wake("two")

    assert sent == [("tests.one", {"countdown": 0.2}), ("tests.two", {"countdown": 0.2})]

    time.sleep(stages.DELAY_SECONDS)
    stages.wake("one")
    assert len(sent) == 3


@pytest.mark.django_db
def test_nothing_is_sent_before_the_commit(sent, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks:
        stages.wake("one")

    assert (len(callbacks), sent) == (1, [])


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_without_the_cache_beat_finds_the_work(sent, monkeypatch):
    monkeypatch.setattr(throttle, "_away_until", time.monotonic() + 60)

    stages.wake("one")

    assert sent == []
