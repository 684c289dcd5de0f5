"""Doorways for the workers."""

import pytest

from profiles import tasks
from profiles.ingest.accept import accept_messages
from profiles.models import Event, InboxMessage
from tests.factories.profiles import SourceFactory
from tests.profiles.ingest.messages import START, track

pytestmark = pytest.mark.django_db


@pytest.fixture
def woken(monkeypatch):
    stages = []
    monkeypatch.setattr(tasks, "wake", stages.append)
    return stages


@pytest.fixture
def inbox(monkeypatch):
    """Five messages, taken two at a time."""
    whole = tasks.process_batch
    monkeypatch.setattr(tasks, "process_batch", lambda now: whole(now=now, limit=2))
    accept_messages(SourceFactory(), [track("Viewed", user=f"u{n}") for n in range(5)], received_at=START)


def test_the_inbox_is_processed_until_it_is_empty(inbox, woken):
    tasks.process_inbox()

    assert (InboxMessage.objects.count(), Event.objects.count()) == (0, 5)
    assert woken == []


def test_when_the_time_is_up_another_task_goes_on(inbox, woken, monkeypatch):
    monkeypatch.setattr(tasks, "PROCESS_SECONDS", -1)

    tasks.process_inbox()

    assert (InboxMessage.objects.count(), Event.objects.count()) == (3, 2)
    assert woken == ["messages_accepted"]
