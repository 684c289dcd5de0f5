"""Who is told that a webhook was switched off by itself: its owner by mail, once; the dashboard shows it meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from smtplib import SMTPException
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from cdp.models import User
from cdp.roles import ADMIN
from cdp.webhooks.models import Webhook
from cdp.webhooks.post import Trouble

TELL_WITHIN = timedelta(days=7)  # where mail is set up later, nobody is told of what was long ago
logger = logging.getLogger(__name__)


def tell_owners(*, now: datetime) -> int:
    """Write to the owners of those that were given up; returns of how many. Each is claimed before it is mailed: what
    is cut off in between is not sent again, what the mail server refused is.
    """
    if not settings.IS_MAIL_SET_UP:
        return 0
    n_told = 0
    due = Webhook.objects.given_up().filter(told_at=None, disabled_at__gte=now - TELL_WITHIN).select_related("owner")
    for webhook in due:
        mine = Webhook.objects.filter(pk=webhook.pk, disabled_at=webhook.disabled_at)
        if not mine.filter(told_at=None).update(told_at=now):
            continue
        try:
            mail_notice(webhook, readers_of(webhook))
        except (SMTPException, OSError):
            logger.exception("The owner of the webhook %s could not be told that it is off.", webhook.key)
            mine.filter(told_at=now).update(told_at=None)
        else:
            n_told += 1
    return n_told


def readers_of(webhook: Webhook) -> list[str]:
    """The address of its owner; those of the administrators where nobody owns it or the owner cannot be written to,
    such as the account of a token.
    """
    owner = webhook.owner
    if owner is not None and owner.is_active and owner.email:
        return [owner.email]
    people = User.objects.filter(is_active=True, api_token__isnull=True).exclude(email="")
    admins = people.filter(Q(is_superuser=True) | Q(groups__name=ADMIN)).distinct()
    return list(admins.order_by("email").values_list("email", flat=True))


def mail_notice(webhook: Webhook, readers: Sequence[str]) -> None:
    """In the language of the platform, since nobody has said another. Of the address only its host: the rest may be
    secret.
    """
    if not readers or webhook.disabled_at is None:
        return
    with override(settings.LANGUAGE_CODE):
        last = webhook.attempts.first()
        known = {
            "webhook": webhook.name,
            "host": urlsplit(webhook.url).hostname,
            "time": f"{timezone.localtime(webhook.disabled_at):%Y-%m-%d %H:%M}",
            "why": webhook.get_disabled_reason_display(),
            "answer": (last.status or Trouble(last.trouble).label) if last else "-",
            "attempts": settings.PUBLIC_URL + reverse("admin:cdp_webhook_attempts", args=[webhook.pk]),
            "page": settings.PUBLIC_URL + reverse("admin:cdp_webhook_change", args=[webhook.pk]),
        }
        subject = _("Webhook “%(webhook)s” was switched off")
        body = _(
            "Since %(time)s nothing is sent to “%(webhook)s” at %(host)s any more. %(why)s. Last answer: %(answer)s.\n"
            "\n"
            "Nothing is lost: what it has not heard is kept for it.\n"
            "\n"
            "1. See what was answered: %(attempts)s\n"
            "2. Mend the receiver, and send a test: %(page)s\n"
            "3. Switch it on there. It goes on where it stood, or from now on.\n"
            "\n"
            "If nobody needs it any more, delete it: what is kept for it takes room.\n"
        )
        send_mail(subject % known, body % known, None, list(readers))
