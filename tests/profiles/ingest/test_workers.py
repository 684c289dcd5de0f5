"""Workers as processes of their own, on one inbox."""

from collections import Counter

import pytest
from django.db import connection
from django.utils import timezone

from benchmarks.people import visits
from benchmarks.workers import work_off
from profiles.ingest.accept import accept_messages
from profiles.ingest.process import process_batch
from profiles.models import Event, InboxMessage, MessageKey, RejectedMessage, SourceDay
from tests.factories.profiles import SourceFactory
from tests.profiles.ingest.messages import people

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
N_MESSAGES = 300


def test_two_processes_lose_and_double_nothing():
    now = timezone.now()
    sent = list(visits(N_MESSAGES, n_people=20, now=now, seed=1))
    source = SourceFactory()
    accept_messages(source, sent + sent[::3], received_at=now)
    process_batch(now=now)
    alone = people(), Counter(Event.objects.values_list("anchor__value", "occurred_at"))
    empty(InboxMessage, Event, MessageKey, SourceDay)
    for _request in range(20):  # a few more than one batch, so that both have something to do
        accept_messages(source, sent + sent[::3], received_at=now)

    _seconds, worked = work_off(2)

    assert sum(each.n_messages for each in worked) == 20 * 400
    assert (people(), Counter(Event.objects.values_list("anchor__value", "occurred_at"))) == alone
    assert not InboxMessage.objects.exists()
    assert not RejectedMessage.objects.exists()
    counted = SourceDay.objects.get()
    assert (counted.n_messages, counted.n_events, counted.n_duplicates) == (20 * 400, 300, 20 * 400 - 300)


def empty(*models):
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(model._meta.db_table for model in models)}")
