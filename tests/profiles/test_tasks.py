"""Doorways for the workers."""

from datetime import timedelta

import pytest
from django.utils import timezone

from profiles import tasks
from profiles.ingest.accept import accept_messages
from profiles.models import Event, InboxMessage, ProfileChange
from tests.factories.profiles import ProfileFactory, SourceFactory
from tests.profiles.ingest.messages import START, track

pytestmark = pytest.mark.django_db


def test_the_inbox_is_processed_until_it_is_empty(monkeypatch):
    whole = tasks.process_batch
    monkeypatch.setattr(tasks, "process_batch", lambda now: whole(now=now, limit=2))
    accept_messages(SourceFactory(), [track("Viewed", user=f"u{n}") for n in range(5)], received_at=START)

    tasks.process_inbox()

    assert (InboxMessage.objects.count(), Event.objects.count()) == (0, 5)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_changes_are_judged_until_none_is_due():
    due, later = timezone.now(), timezone.now() + timedelta(hours=1)
    person = ProfileFactory()
    for due_at in (due, due, later):
        ProfileChange.objects.create(profile_id=person.pk, topic="created", due_at=due_at)

    tasks.refresh_changes()

    assert [change.due_at for change in ProfileChange.objects.all()] == [later]
