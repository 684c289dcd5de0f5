"""The owner of a webhook that was switched off by itself is told by mail, once."""

import socket
from datetime import timedelta
from smtplib import SMTPServerDisconnected

import pytest
from django.core import mail
from django.utils import translation

from cdp.models import Webhook
from cdp.roles import ADMIN, OPERATOR
from cdp.webhooks import notices
from cdp.webhooks.manage import enable_webhook
from cdp.webhooks.notices import tell_owners
from tests.factories.cdp import ApiTokenFactory, UserFactory
from tests.factories.webhooks import WebhookAttemptFactory, WebhookFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def mail_is_set_up(settings):
    settings.IS_MAIL_SET_UP, settings.LANGUAGE_CODE = True, "en"
    settings.PUBLIC_URL = "https://strata.example.com"


def given_up(now, **given):
    return WebhookFactory(disabled_at=now, disabled_reason="failures", **given)


def test_the_owner_is_told_once_with_what_to_do_next(now):
    owner = UserFactory(email="ann@example.com")
    webhook = given_up(now, owner=owner, name="Shop", url="https://hooks.example.com/in?token=secret")
    WebhookAttemptFactory(message__webhook=webhook, status=None, trouble="timeout")

    with translation.override("zh-hans"):
        assert [tell_owners(now=now), tell_owners(now=now)] == [1, 0]

    (sent,) = mail.outbox
    page = f"https://strata.example.com/admin/cdp/webhook/{webhook.pk}"
    assert (sent.to, sent.subject) == (["ann@example.com"], "Webhook “Shop” was switched off")
    assert sent.body == (
        "Since 2026-06-15 12:00 nothing is sent to “Shop” at hooks.example.com any more. "
        "Nothing but failures for days. Last answer: No answer in time.\n\n"
        "Nothing is lost: what it has not heard is kept for it.\n\n"
        f"1. See what was answered: {page}/attempts/\n"
        f"2. Mend the receiver, and send a test: {page}/change/\n"
        "3. Switch it on there. It goes on where it stood, or from now on.\n\n"
        "If nobody needs it any more, delete it: what is kept for it takes room.\n"
    )


@pytest.mark.parametrize("owner", ["none", "token", "left", "without address"])
def test_where_the_owner_cannot_be_written_to_the_administrators_are(owner, now):
    owners = {
        "none": lambda: None,
        "token": lambda: ApiTokenFactory().user,
        "left": lambda: UserFactory(email="left@example.com", is_active=False),
        "without address": UserFactory,
    }
    UserFactory(email="bob@example.com", role=ADMIN)
    UserFactory(email="root@example.com", is_superuser=True)
    UserFactory(email="other@example.com", role=OPERATOR)
    given_up(now, owner=owners[owner]())

    tell_owners(now=now)

    assert [sent.to for sent in mail.outbox] == [["bob@example.com", "root@example.com"]]


def test_nobody_is_told_of_what_is_on_was_switched_off_by_hand_or_was_long_ago(now):
    owner = UserFactory(email="ann@example.com")
    WebhookFactory(owner=owner)
    WebhookFactory(owner=owner, disabled_at=now, disabled_reason="by_hand")
    given_up(now - timedelta(days=8), owner=owner)

    assert tell_owners(now=now) == 0
    assert mail.outbox == []


def test_without_mail_nobody_is_told_until_it_is_set_up(now, settings):
    settings.IS_MAIL_SET_UP = False
    given_up(now, owner=UserFactory(email="ann@example.com"))

    n_before = tell_owners(now=now)
    settings.IS_MAIL_SET_UP = True

    assert (n_before, tell_owners(now=now)) == (0, 1)


def test_what_the_mail_server_refuses_is_tried_again_and_holds_up_nobody(now, monkeypatch):
    UserFactory(email="root@example.com", is_superuser=True)
    given_up(now, name="First")
    given_up(now, name="Second")
    send, refused = notices.send_mail, []

    def refuse_the_first(subject, *args):
        if "First" in subject and not refused:
            refused.append(subject)
            raise SMTPServerDisconnected
        return send(subject, *args)

    monkeypatch.setattr(notices, "send_mail", refuse_the_first)

    assert [tell_owners(now=now), tell_owners(now=now)] == [1, 1]
    assert sorted(sent.subject for sent in mail.outbox) == [
        "Webhook “First” was switched off",
        "Webhook “Second” was switched off",
    ]


def test_given_up_once_more_its_owner_is_told_once_more(now):
    webhook = given_up(now, owner=UserFactory(email="ann@example.com"))
    tell_owners(now=now)

    enable_webhook(webhook, from_now=False, user=UserFactory(), now=now)
    Webhook.objects.update(disabled_at=now + timedelta(days=4), disabled_reason="gone")

    assert tell_owners(now=now + timedelta(days=4)) == 1


def test_a_mail_server_that_says_nothing_holds_up_nobody_and_is_asked_again(now, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert 0 < settings.EMAIL_TIMEOUT <= 60
    settings.EMAIL_TIMEOUT = 0.2
    webhook = given_up(now, owner=UserFactory(email="ann@example.com"))

    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.EMAIL_HOST, settings.EMAIL_PORT = silent.getsockname()
        n_told = tell_owners(now=now)

    webhook.refresh_from_db()
    assert (n_told, webhook.told_at) == (0, None)
