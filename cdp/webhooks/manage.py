"""Webhooks made, changed, switched off and on again, and asked to send once more.

What people do to one that is no field of a form stands in the audit from here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from cdp.audit import write_change, write_secret_change, write_words
from cdp.feeds import STAGE, Feed, feeds
from cdp.locks import lock_edited
from cdp.models import User
from cdp.stages import wake
from cdp.webhooks.models import Subscription, Webhook, WebhookMessage
from cdp.webhooks.signing import new_secret

CHUNK = 10_000
GIVEN = ("key", "name", "url", "owner", "batch_size")


@dataclass(frozen=True)
class Hearing:
    """A feed, and the keys of what is heard of in it and the causes; all of them where none is named."""

    feed: str
    subjects: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()


def save_webhook(
    webhook: Webhook,
    *,
    hears: Sequence[Hearing] | None,
    now: datetime,
    from_start: bool = False,
    changed: Collection[str] | None = None,
) -> Webhook:
    """Save what people give of it, and what it hears (None: as before); of one that is there the `changed` fields,
    None: all.

    A feed that it did not hear before starts now, or `from_start` with the oldest change that is kept. Of one that it
    hears no more nothing is sent again, also what is under way.
    """
    with transaction.atomic():
        stored = lock_edited(webhook, changed)
        webhook.next_at = now  # a new address is tried at once
        webhook.save(update_fields=None if stored is None else [*GIVEN, "next_at"])
        if hears is not None:
            _hear(webhook, hears, from_start=from_start)
        wake(STAGE)
    return webhook


def _hear(webhook: Webhook, hears: Sequence[Hearing], *, from_start: bool) -> None:
    heard = [each.feed for each in hears]
    webhook.subscriptions.exclude(feed__in=heard).delete()
    # What is under way of a feed that is heard no more is not for it any more; a test is of no feed.
    webhook.messages.filter(state=WebhookMessage.State.PENDING).exclude(feed__in=["", *heard]).update(
        state=WebhookMessage.State.SKIPPED, asked_at=None
    )
    for each in hears:
        chosen = {"subjects": list(each.subjects), "causes": list(each.causes)}
        Subscription.objects.update_or_create(
            webhook=webhook,
            feed=each.feed,
            defaults=chosen,
            create_defaults=chosen | {"after": first_after(feeds()[each.feed], from_start=from_start)},
        )


def first_after(feed: Feed, *, from_start: bool) -> int:
    """After which change somebody new reads on: the last one, or the last that is deleted."""
    return feed.start_after() if from_start else max(feed.start_after(), feed.head())


def delete_webhook(webhook: Webhook) -> None:
    """With its book, which of a busy one has a million messages: in parts, lest they all be read at once."""
    with transaction.atomic():
        webhook.attempts.all().delete()
        delete_messages(webhook.messages.all())
        webhook.delete()


def delete_messages(messages: QuerySet[WebhookMessage]) -> None:
    """With their attempts, in parts."""
    while ids := list(messages.values_list("pk", flat=True)[:CHUNK]):
        WebhookMessage.objects.filter(pk__in=ids).delete()


def replace_secret(webhook: Webhook, *, grace: timedelta, user: User, now: datetime) -> Webhook:
    """Sign with a new secret; with the old one too for `grace` longer, so that receivers can change over."""
    with transaction.atomic():
        webhook = Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)
        webhook.old_secret = webhook.secret if grace else ""
        webhook.old_secret_until = now + grace if grace else None
        webhook.secret = new_secret()
        webhook.save(update_fields=["secret", "old_secret", "old_secret_until"])
        write_secret_change(user, webhook, "secret")
    return webhook


def disable_webhook(webhook: Webhook, *, user: User, now: datetime) -> None:
    """Send nothing more. One that is off stays as it is."""
    with transaction.atomic():
        webhook = Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)
        if webhook.disabled_at is None:
            Webhook.objects.filter(pk=webhook.pk).update(
                disabled_at=now, disabled_reason=Webhook.Reason.BY_HAND, told_at=None
            )
            _write_switch(webhook, user, before=None, after=now)


def enable_webhook(webhook: Webhook, *, from_now: bool, user: User, now: datetime) -> None:
    """Send again, from where it stood, or `from_now` on: what happened meanwhile is skipped. One that is on and waits
    after failures tries at once.
    """
    with transaction.atomic():
        webhook = Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)
        _write_switch(webhook, user, before=webhook.disabled_at, after=None)
        if from_now:
            webhook.messages.filter(state=WebhookMessage.State.PENDING).exclude(feed="").update(
                state=WebhookMessage.State.SKIPPED
            )
            for subscription in webhook.subscriptions.filter(feed__in=feeds()):
                subscription.after = max(subscription.after, first_after(feeds()[subscription.feed], from_start=False))
                subscription.save(update_fields=["after"])
        Webhook.objects.filter(pk=webhook.pk).update(
            disabled_at=None, disabled_reason="", told_at=None, failing_since=None, n_failures=0, next_at=now
        )
        wake(STAGE)


def _write_switch(webhook: Webhook, user: User, *, before: datetime | None, after: datetime | None) -> None:
    values = [{"disabled_at": each and each.isoformat()} for each in (before, after)]
    write_change(user, webhook, before=values[0], after=values[1])


def send_test(webhook: Webhook, *, now: datetime) -> WebhookMessage:
    """A message without changes, sent once at the next opportunity, also by one that is switched off."""
    with transaction.atomic():
        message = WebhookMessage.objects.create(webhook=webhook, asked_at=now, created_at=now)
        wake(STAGE)
    return message


def send_again(message: WebhookMessage, *, now: datetime) -> None:
    """One more attempt under the same id, out of turn."""
    with transaction.atomic():
        WebhookMessage.objects.filter(pk=message.pk).update(asked_at=now)
        wake(STAGE)


def send_since(webhook: Webhook, moment: datetime, *, user: User, now: datetime) -> None:
    """Send all that happened at a moment or later once more, as new messages; what it has not heard comes after.

    Raises ValidationError for a moment to come, and for one before which changes were deleted already.
    """
    if moment > now:
        raise ValidationError(_("This time is to come: nothing has happened since."))
    with transaction.atomic():
        webhook = Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)
        for subscription in webhook.subscriptions.filter(feed__in=feeds()):
            feed = feeds()[subscription.feed]
            since = feed.complete_since()
            if since is not None and moment <= since:
                at = timezone.localtime(since).isoformat(sep=" ", timespec="seconds")
                known = {"feed": feed.label, "time": at}
                raise ValidationError(_("%(feed)s: changes are kept since after %(time)s.") % known)
            after = feed.after_moment(moment)
            if after < subscription.after:
                subscription.after = after
                subscription.save(update_fields=["after"])
                webhook.messages.filter(state=WebhookMessage.State.PENDING, feed=feed.key).update(
                    state=WebhookMessage.State.SKIPPED
                )
        Webhook.objects.filter(pk=webhook.pk).update(next_at=now)
        write_words(user, webhook, f"Sent again from {moment.isoformat()}")
        wake(STAGE)
