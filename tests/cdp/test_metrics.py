"""`/metrics`: figures of the database, for those who may view runs."""

from datetime import timedelta

import pytest
from django.utils import timezone

from cdp.models import Run
from profiles.models import InboxMessage, RejectedMessage, SourceDay
from tests.clients import api_of
from tests.factories.profiles import ProfileChangeFactory, SourceFactory
from tests.factories.segments import MembershipChangeFactory
from tests.factories.webhooks import WebhookFactory

pytestmark = pytest.mark.django_db


def figures():
    """What a viewer's token reads, by name with labels."""
    answer = api_of("viewer").get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    lines = [line for line in answer.content.decode().splitlines() if line.startswith("strata_")]
    return {name: float(value) for name, _space, value in (line.rpartition(" ") for line in lines)}


def test_an_installation_at_rest_has_nothing_to_wait_for():
    found = figures()

    assert found["strata_inbox_messages"] == found["strata_inbox_age_seconds"] == 0
    assert found["strata_change_queue_rows"] == found["strata_change_queue_age_seconds"] == 0
    assert found["strata_rejected_messages"] == found["strata_run_wait_seconds"] == 0


def test_what_waits_is_told_with_its_age():
    now, source = timezone.now(), SourceFactory(key="shop")
    for minutes in (3, 1):
        InboxMessage.objects.create(source=source, received_at=now - timedelta(minutes=minutes), payload="{}")
    ProfileChangeFactory(due_at=now - timedelta(hours=1), queued_at=now - timedelta(hours=1))
    ProfileChangeFactory(due_at=now + timedelta(hours=1))
    RejectedMessage.objects.create(source=source, received_at=now, reason="x", payload="{}")
    SourceDay.objects.create(source=source, day=now.date(), n_messages=7, n_rejected=2)
    SourceDay.objects.create(source=source, day=now.date() - timedelta(days=1), n_messages=5)
    Run.objects.create(kind="import", subject="shop", state=Run.State.RUNNING)
    for orphans in ({"orphans": 9}, {"orphans": 2}, {}):
        Run.objects.create(kind="check", subject="everything", state=Run.State.SUCCEEDED, counts=orphans)

    found = figures()

    assert found["strata_inbox_messages"] == 2
    assert 180 <= found["strata_inbox_age_seconds"] < 240
    assert found["strata_change_queue_rows"] == 1
    assert 3600 <= found["strata_change_queue_age_seconds"] < 3660
    assert (found["strata_rejected_messages"], found["strata_orphans"]) == (1, 2)
    assert found['strata_messages_total{outcome="processed",source="shop"}'] == 12
    assert found['strata_messages_total{outcome="rejected",source="shop"}'] == 2
    assert found['strata_runs{kind="import",state="running"}'] == 1


def test_what_long_work_changes_waits_since_it_was_written():
    """Its rows are due since it began, which may be an hour ago."""
    ProfileChangeFactory(due_at=timezone.now() - timedelta(hours=1))

    found = figures()

    assert found["strata_change_queue_rows"] == 1
    assert found["strata_change_queue_age_seconds"] < 300


def test_nobody_else_reads_them(client):
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer strata_wrong"}).status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Basic eDp5"}).status_code == 401
    assert api_of(None).get("/metrics").status_code == 403
    assert api_of("viewer").post("/metrics").status_code == 405


def test_requests_of_the_process_are_counted():
    assert "django_http_requests_total_by_method_total" in api_of("viewer").get("/metrics").content.decode()


def test_webhooks_are_told_by_state_and_how_far_they_are_behind():
    change = MembershipChangeFactory(at=timezone.now() - timedelta(minutes=10))
    behind = WebhookFactory(key="behind", hears=["segments"], failing_since=timezone.now())
    behind.subscriptions.update(after=change.pk - 1)
    WebhookFactory(key="fine")
    WebhookFactory(key="gone", disabled_at=timezone.now(), disabled_reason="gone")
    WebhookFactory(key="resting", disabled_at=timezone.now(), disabled_reason="by_hand")

    found = figures()

    states = {state: found[f'strata_webhooks{{state="{state}"}}'] for state in ("on", "failing", "off", "given_up")}
    assert states == {"on": 1, "failing": 1, "off": 1, "given_up": 1}
    assert 600 <= found['strata_webhook_behind_seconds{webhook="behind"}'] < 1200
    assert found['strata_webhook_behind_seconds{webhook="fine"}'] == 0
