"""Replaying what was rejected: atomically, exactly once, and never for ever."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import override

from cdp.models import Run
from cdp.runs import advance
from profiles.ingest.process import process_batch
from profiles.models import Event, InboxMessage, RejectedMessage, Violation
from profiles.services import rejected
from profiles.services.rejected import (
    REPLAY,
    Chosen,
    carry_out,
    corrected,
    discard,
    purge_examples,
    purge_rejected,
    queue_for_all,
    replay,
)
from tests.elsewhere import Elsewhere
from tests.factories.profiles import EventDefinitionFactory, SourceFactory
from tests.profiles.ingest.messages import START, event_names, profile_of, send, track

NOW = START + timedelta(days=1)


def rejected_ids():
    return list(RejectedMessage.objects.order_by("pk").values_list("pk", flat=True))


def reject(n=1, **fields):
    """A source that refuses unplanned events, with `n` of them; returns it."""
    source = SourceFactory(unplanned_events="reject", **fields)
    assert send(source, *(track("Booked", user="u1", id=f"b{i}", at=i) for i in range(n))).n_rejected == n
    return source


@pytest.mark.django_db
def test_a_message_counts_once_its_cause_is_corrected():
    reject()
    EventDefinitionFactory(name="Booked")

    assert replay(rejected_ids()) == (1, 0)
    assert process_batch(now=NOW).n_events == 1

    assert rejected_ids() == []
    assert event_names(profile_of("user_id", "u1")) == ["Booked"]
    assert Event.objects.get().occurred_at == START


@pytest.mark.django_db
def test_replaying_twice_is_replaying_once():
    reject()
    EventDefinitionFactory(name="Booked")
    ids = rejected_ids()

    assert [replay(ids), replay(ids)] == [(1, 0), (0, 0)]
    assert InboxMessage.objects.count() == 1


@pytest.mark.django_db
def test_what_was_sent_again_meanwhile_counts_once():
    source = reject()
    EventDefinitionFactory(name="Booked")
    send(source, track("Booked", user="u1", id="b0"))

    replay(rejected_ids())

    assert process_batch(now=NOW).n_duplicates == 1
    assert Event.objects.count() == 1


@pytest.mark.django_db
def test_times_are_those_of_the_first_try():
    """Of a client whose clock is an hour ahead, corrected by when it was sent and received."""
    source = SourceFactory(unplanned_events="reject")
    send(source, track("Booked", user="u1", at=60) | {"sentAt": (NOW + timedelta(hours=1)).isoformat()})
    EventDefinitionFactory(name="Booked")

    replay(rejected_ids())
    process_batch(now=NOW + timedelta(days=9))

    assert Event.objects.get().occurred_at == START


@pytest.mark.django_db
def test_what_is_no_message_stays_in_the_list():
    source = SourceFactory()
    RejectedMessage.objects.create(source=source, received_at=NOW, reason="cut off", payload='{"type": "tra')
    RejectedMessage.objects.create(source=source, received_at=NOW, reason="not an object", payload="[]")

    assert replay(rejected_ids()) == (0, 2)
    assert len(rejected_ids()) == 2
    assert not InboxMessage.objects.exists()


@pytest.mark.django_db
def test_an_edited_message_is_what_is_replayed():
    send(SourceFactory(), {"type": "trak", "messageId": "m1", "userId": "u1", "event": "Viewed"})
    rejected = RejectedMessage.objects.get()

    for text in ("{", "[]", '{"type": "\\u0000"}'):
        with pytest.raises(ValidationError):
            corrected(text)
    rejected.payload = corrected(rejected.payload.replace("trak", "track"))
    rejected.save()
    replay([rejected.pk])

    assert process_batch(now=NOW).n_events == 1


@pytest.mark.django_db
def test_a_run_replays_all_that_match_and_no_message_for_ever():
    source, other = reject(3), reject(2)
    run = queue_for_all(REPLAY, Chosen(source=source.key, code="unplanned", reason="booked"), user=None)

    carry_out(run)
    processed = process_batch(now=NOW)
    carry_out(run)

    assert (processed.n_rejected, run.counts) == (3, {"replayed": 3, "kept": 0})
    assert (run.done, run.total) == (3, 3)
    assert RejectedMessage.objects.filter(source=other).count() == 2
    assert RejectedMessage.objects.filter(source=source).count() == 3


@pytest.mark.django_db
def test_a_run_that_is_cut_off_counts_what_it_did(monkeypatch):
    source = reject(5)
    monkeypatch.setattr(rejected, "CHUNK", 2)
    run = queue_for_all(REPLAY, Chosen(source=source.key), user=None)
    steps = []

    def cut_off(*given, **counts):
        steps.append(counts)
        if len(steps) == 2:
            raise ConnectionError
        advance(*given, **counts)

    monkeypatch.setattr(rejected, "advance", cut_off)
    with pytest.raises(ConnectionError):
        carry_out(run)
    carry_out(Run.objects.get(pk=run.pk))

    run.refresh_from_db()
    assert (run.done, run.total, run.counts) == (5, 5, {"replayed": 5, "kept": 0})
    assert InboxMessage.objects.count() == 5


@pytest.mark.django_db
def test_examples_of_long_ago_are_emptied_and_counts_stay():
    source, today = SourceFactory(), NOW.date()
    for age in (89, 92):
        Violation.objects.create(
            source=source, day=today - timedelta(days=age), event="Booked", rule="schema", path="properties.a",
            problem="is missing", n_messages=7, last_at=NOW, examples=[{"message": "m1", "value": "Ann"}],
        )  # fmt: skip

    assert purge_examples(now=NOW, days=90) == 1
    assert purge_examples(now=NOW, days=90) == 0
    left = Violation.objects.order_by("day").values_list("n_messages", "examples")
    assert list(left) == [(7, []), (7, [{"message": "m1", "value": "Ann"}])]


@pytest.mark.django_db
def test_messages_are_chosen_by_business_day():
    reject(3)
    ids = rejected_ids()
    for pk, hour in zip(ids, (15, 16, 40), strict=True):  # in Shanghai the day begins at 16:00 UTC of the day before
        RejectedMessage.objects.filter(pk=pk).update(rejected_at=START.replace(hour=0) + timedelta(hours=hour))

    def chosen(**given):
        return sorted(Chosen(**given).filter(RejectedMessage.objects.all()).values_list("pk", flat=True))

    assert chosen(since="2026-03-02") == ids[1:]
    assert chosen(until="2026-03-01") == ids[:1]
    assert chosen(since="2026-03-02", until="2026-03-02") == ids[1:2]
    assert chosen() == ids


@pytest.mark.django_db
def test_what_nobody_cares_for_is_deleted_in_the_end():
    reject(3)
    first, second, third = rejected_ids()
    RejectedMessage.objects.filter(pk=first).update(rejected_at=NOW - timedelta(days=91))
    RejectedMessage.objects.filter(pk=second).update(rejected_at=NOW - timedelta(days=89))

    assert purge_rejected(now=NOW, days=90) == 1
    assert rejected_ids() == [second, third]
    assert discard([second]) == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_who_replay_at_once_replay_once():
    reject(5)
    ids = rejected_ids()
    found = []

    with transaction.atomic():
        found.append(replay(ids[:3]))
        Elsewhere(lambda: found.append(replay(ids))).finish()

    assert sorted(found) == [(2, 0), (3, 0)]
    assert InboxMessage.objects.count() == 5


def test_a_correction_is_refused_in_the_language_of_the_reader():
    with override("zh-hans"), pytest.raises(ValidationError) as refused:
        corrected("[1]")

    assert refused.value.messages == ["消息不是对象"]
