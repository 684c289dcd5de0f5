import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.utils import timezone

from cdp.models import Webhook, WebhookMessage
from tests.clients import api_of
from tests.factories.segments import MembershipChangeFactory, SegmentFactory
from tests.factories.webhooks import SECRET, WebhookAttemptFactory, WebhookFactory, WebhookMessageFactory

pytestmark = pytest.mark.django_db
HEARS = [{"feed": "segments", "subjects": ["vip"], "causes": ["data", "time"]}]
SHOP = {"key": "shop", "name": "Shop", "url": "https://shop.example.com/hooks", "hears": HEARS}


@pytest.mark.parametrize("from_start", [False, True])
def test_a_webhook_is_made_its_secret_shown_once_and_it_starts_now_or_at_the_start(from_start):
    change = MembershipChangeFactory(segment=SegmentFactory(key="vip"))
    api = api_of("integration")

    made = api.send("post", "webhooks/", SHOP | {"from_start": from_start})
    read = api.send("get", "webhooks/shop/").json()

    webhook = Webhook.objects.get()
    assert made.status_code == 201
    assert made.json()["secret"] == webhook.secret
    assert webhook.secret.startswith("whsec_")
    assert read == made.json() | {"secret": None}
    assert (read["hears"], read["batch_size"], read["disabled_at"]) == (HEARS, 100, None)
    assert webhook.subscriptions.get().after == (0 if from_start else change.pk)
    assert webhook.secret not in LogEntry.objects.get().change_message


def test_a_patch_keeps_how_far_it_has_heard():
    SegmentFactory(key="vip")
    webhook = WebhookFactory(key="shop", hears=["segments", "tiers"], lease="0f5a2c1e-0000-4000-8000-000000000000")
    webhook.subscriptions.update(after=7)

    answer = api_of("operator").send("patch", "webhooks/shop/", {"name": "Till", "hears": HEARS})

    webhook.refresh_from_db()
    assert (answer.status_code, answer.json()["hears"], webhook.name) == (200, HEARS, "Till")
    assert list(webhook.subscriptions.values_list("feed", "after")) == [("segments", 7)]
    assert webhook.lease is not None


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"url": "http://shop.example.com/"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "https://ann:secret@example.com/"}, "url"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 1001}, "batch_size"),
        ({"hears": []}, "hears"),
        ({"hears": [{"feed": "segments", "subjects": ["nobody"]}]}, "hears[0].subjects"),
        ({"hears": [{"feed": "profiles", "causes": ["data"]}]}, "hears[0].causes"),
        ({"hears": [{"feed": "segments"}, {"feed": "segments"}]}, "hears"),
        ({"secret": "whsec_mine"}, "secret"),
    ],
)
def test_what_cannot_be_is_refused_by_its_place(body, path, settings):
    settings.WEBHOOK_ALLOW_HTTP = False
    SegmentFactory(key="vip")

    answer = api_of("operator").send("post", "webhooks/", SHOP | body)

    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, path)
    assert not Webhook.objects.exists()


def test_a_replaced_secret_signs_beside_the_new_one_for_a_while():
    webhook = WebhookFactory(key="shop")

    answer = api_of("operator").send("post", "webhooks/shop/secret/", {"grace_hours": 1})

    webhook.refresh_from_db()
    assert (answer.status_code, answer.json()["secret"]) == (200, webhook.secret)
    assert (webhook.old_secret, webhook.secret == SECRET) == (SECRET, False)
    assert webhook.old_secret_until is not None
    assert "whsec" not in LogEntry.objects.get().change_message


def test_it_is_switched_off_and_on_and_the_audit_knows():
    webhook, api = WebhookFactory(key="shop", hears=["segments"]), api_of("operator")
    change = MembershipChangeFactory()

    off = api.send("post", "webhooks/shop/disable/").json()
    on = api.send("post", "webhooks/shop/enable/", {"from_now": True}).json()

    assert (off["disabled_reason"], on["disabled_at"]) == ("by_hand", None)
    assert webhook.subscriptions.get().after == change.pk
    assert LogEntry.objects.count() == 2


def test_a_test_and_one_more_attempt_are_asked_for():
    webhook, api = WebhookFactory(key="shop"), api_of("operator")
    old, other = WebhookMessageFactory(webhook=webhook), WebhookMessageFactory()

    tested = api.send("post", "webhooks/shop/test/")
    again = api.send("post", "webhooks/shop/send-again/", {"message": f"msg_{old.pk.hex}"})
    theirs = api.send("post", "webhooks/shop/send-again/", {"message": f"msg_{other.pk.hex}"})

    assert (tested.status_code, again.status_code, theirs.status_code) == (202, 202, 404)
    asked = WebhookMessage.objects.filter(asked_at__lte=timezone.now())
    assert {f"msg_{each.pk.hex}" for each in asked} == {tested.json()["message"], again.json()["message"]}


@pytest.mark.parametrize("n", [1, 20])
def test_attempts_are_listed_the_latest_first(n, django_assert_num_queries):
    webhook = WebhookFactory(key="shop")
    for _ in range(n):
        attempt = WebhookAttemptFactory(message__webhook=webhook, status=500, answer="no")
    api = api_of("operator")

    with django_assert_num_queries(3 + 3):
        rows = api.send("get", "webhooks/shop/attempts/").json()["results"]

    assert len(rows) == n
    assert rows[0] == {
        "id": attempt.pk, "message": f"msg_{attempt.message_id.hex}", "feed": "segments", "n_changes": 0,
        "at": "2026-01-01T00:00:00Z", "status": 500, "trouble": "", "took_ms": 12, "n_bytes": 345, "answer": "no",
    }  # fmt: skip


@pytest.mark.parametrize("n", [1, 20])
def test_a_list_takes_as_many_queries_for_twenty_as_for_one(n, django_assert_num_queries):
    WebhookFactory.create_batch(n, hears=["segments", "tiers"])
    api = api_of("operator")

    with django_assert_num_queries(3 + 2):
        assert len(api.send("get", "webhooks/").json()["results"]) == n


def test_one_is_deleted_with_its_book_and_the_audit_says_which():
    attempt = WebhookAttemptFactory(message__webhook__key="shop")

    answer = api_of("operator").send("delete", "webhooks/shop/")

    entry = LogEntry.objects.get()
    assert (answer.status_code, Webhook.objects.exists()) == (204, False)
    assert (entry.action_flag, entry.object_id, entry.object_repr) == (DELETION, str(attempt.webhook_id), "Shop")
    assert "whsec" not in entry.change_message
