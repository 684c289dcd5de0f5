"""Sending for real: to a server on loopback, and by workers that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest
from django.utils import timezone
from standardwebhooks import Webhook as Verifier

from cdp.models import Webhook, WebhookAttempt
from cdp.webhooks.outbox import LEASE
from cdp.webhooks.send import send_due
from segments.models import MembershipChange
from tests.cdp.webhooks.receiver import BREAK, Receiver
from tests.factories.profiles import ProfileFactory
from tests.factories.segments import SegmentFactory
from tests.factories.webhooks import MADE_AT, SECRET, WebhookFactory
from tests.killing import give_lines, start_python

N_CHANGES = int(os.environ.get("WEBHOOK_CHANGES", "12"))
N_KILLS = 2
WORKER = """
import select, sys
import django
django.setup()
from django.utils import timezone
from cdp.webhooks.send import send_due
print("ready", flush=True)
sys.stdin.readline()
while not select.select([sys.stdin], [], [], 0)[0]:
    send_due(now=timezone.now)
"""  # from the first line of its input to the second
N_WORKERS = 3


def write(n: int) -> list[int]:
    segment, profile = SegmentFactory(), ProfileFactory()
    rows = [
        MembershipChange(segment=segment, profile=profile, change="entered", cause="data", at=MADE_AT) for _ in range(n)
    ]
    return [row.pk for row in MembershipChange.objects.bulk_create(rows)]


@pytest.mark.django_db
def test_what_is_sent_is_signed_and_written_down(receiver: Receiver) -> None:
    webhook = WebhookFactory(url=receiver.url, hears=["segments"], batch_size=2)
    written = write(3)
    receiver.answers = [(201, {}, b"thanks")]

    send_due(now=timezone.now)

    assert [change["id"] for change in receiver.changes] == written
    for heard in receiver.heard:
        Verifier(SECRET).verify(heard.body, heard.headers)
    first, second = webhook.attempts.order_by("pk")
    assert (first.status, first.trouble, first.answer) == (201, "", "thanks")
    assert (second.status, second.answer) == (204, "")
    assert [f"msg_{each.message_id.hex}" for each in (first, second)] == [heard.id for heard in receiver.heard]


@pytest.mark.django_db
def test_after_trouble_the_same_message_comes_again(receiver: Receiver) -> None:
    webhook = WebhookFactory(url=receiver.url, hears=["segments"])
    written = write(2)
    receiver.answers = [500, BREAK]

    for _ in range(3):
        send_due(now=timezone.now)
        Webhook.objects.update(next_at=timezone.now())  # the time passes

    assert [heard.id for heard in receiver.heard] == [receiver.heard[0].id] * 3
    assert [change["id"] for change in receiver.changes] == written
    tried = list(webhook.attempts.order_by("pk").values_list("status", "trouble"))
    assert tried == [(500, ""), (None, "broken"), (204, "")]


@pytest.mark.django_db
def test_one_that_fails_holds_up_no_other(receiver: Receiver) -> None:
    WebhookFactory(url="http://127.0.0.1:1/", hears=["segments"])
    WebhookFactory(url=receiver.url, hears=["segments"])
    written = write(2)

    send_due(now=timezone.now)

    assert [change["id"] for change in receiver.changes] == written


def start_worker() -> subprocess.Popen[bytes]:
    worker = start_python(WORKER, stdout=subprocess.PIPE, WEBHOOK_NETWORKS="127.0.0.0/8")
    assert worker.stdout
    assert worker.stdout.readline() == b"ready\n", worker.stderr and worker.stderr.read().decode()
    return worker


@pytest.mark.servers
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_killed_while_the_receiver_has_it_nothing_is_lost_or_skipped(receiver: Receiver) -> None:
    WebhookFactory(url=receiver.url, hears=["segments"], batch_size=2)
    written = write(N_CHANGES)

    for kill in range(N_KILLS):
        worker = start_worker()
        n_before = len(receiver.heard)

        def kill_at_the_second(n: int = n_before + 2, worker: subprocess.Popen[bytes] = worker) -> None:
            if len(receiver.heard) == n:
                worker.send_signal(signal.SIGKILL)

        receiver.on_request = kill_at_the_second
        give_lines(worker)
        assert worker.wait(300) == -signal.SIGKILL, worker.stderr and worker.stderr.read().decode()
        assert len(receiver.heard) == n_before + 2
        assert WebhookAttempt.objects.count() == kill + 1
        assert Webhook.objects.get().lease is not None
        Webhook.objects.update(leased_until=timezone.now() - LEASE)  # the time passes
    receiver.on_request = None
    send_due(now=timezone.now)

    assert [change["id"] for change in receiver.changes] == written
    assert len(receiver.heard) == N_CHANGES // 2 + N_KILLS  # each kill had one message sent twice, under its id
    for heard in receiver.heard:
        same = {each.body for each in receiver.heard if each.id == heard.id}
        assert same == {heard.body}


@pytest.mark.servers
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_several_workers_send_one_message_at_a_time_in_order_though_some_are_killed(receiver: Receiver) -> None:
    WebhookFactory(url=receiver.url, hears=["segments"], batch_size=1)
    written = write(N_CHANGES)
    workers = [start_worker() for _ in range(N_WORKERS)]
    under_way: list[int] = []
    most: list[int] = []

    def look() -> None:
        under_way.append(1)
        most.append(len(under_way))
        if len(most) == N_CHANGES // 2:
            for worker in workers[1:]:
                worker.send_signal(signal.SIGKILL)
        time.sleep(0.02)  # in which another would come in, if it could
        under_way.pop()

    receiver.on_request = look
    for worker in workers:
        give_lines(worker)
    ends = [worker.wait(300) for worker in workers[1:]]
    give_lines(workers[0])
    ends.append(workers[0].wait(300))
    Webhook.objects.update(leased_until=timezone.now() - LEASE)  # the time passes, where one was killed while it sent
    while send_due(now=timezone.now):
        pass

    assert ends == [-signal.SIGKILL, -signal.SIGKILL, 0], workers[0].stderr and workers[0].stderr.read().decode()
    assert max(most) == 1
    assert [change["id"] for change in receiver.changes] == written
    assert len(receiver.heard) - len({heard.id for heard in receiver.heard}) <= 1
