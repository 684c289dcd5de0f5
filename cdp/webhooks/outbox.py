"""What is to be sent to whom, and what came of it. The database decides; a worker may die at any line.

A message is written down before it is sent and settled after it was answered, so a worker that dies in between has it
sent again, under the same id. It is settled together with the subscription's `after`: nothing is skipped.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from uuid import UUID, uuid4

import orjson
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Greatest

from cdp.feeds import Feed, feeds
from cdp.webhooks.models import Subscription, Webhook, WebhookAttempt, WebhookMessage
from cdp.webhooks.post import Answer

LEASE = timedelta(minutes=2)  # longer than the name's resolution, TIMEOUT_SECONDS and the writing take together
BACK_OFF_SECONDS = (5, 30, 120, 600, 1800, 3600)  # the last one again and again
JITTER = 0.2  # so that receivers that were down together are not asked together
MAX_RETRY_AFTER = timedelta(days=1)
GONE = 410
# How far one look goes for a rare segment in a busy feed; a million rows take a second.
SPAN = 200_000


@dataclass(frozen=True)
class Dispatch:
    """A message on its way: the lease it is sent under, and all that its POST needs."""

    webhook_id: int
    lease: UUID
    message_id: UUID
    is_asked: bool
    url: str
    keys: tuple[str, ...]
    body: bytes


def claim(*, limit: int, now: datetime) -> tuple[list[Dispatch], bool]:
    """Lease up to `limit` webhooks with something to send; what to send them, and whether there was any to lease.

    One that hears of nothing that happened is passed by: it has moved on in its feed.
    """
    heads = {key: feed.head() for key, feed in feeds().items()}
    with transaction.atomic():
        webhooks = list(
            due(heads, now=now)
            .select_for_update(skip_locked=True, no_key=True, of=("self",))
            .order_by("next_at")[:limit]
        )
        dispatches = [found for webhook in webhooks if (found := _next(webhook, heads, now=now))]
        for dispatch in dispatches:
            Webhook.objects.filter(pk=dispatch.webhook_id).update(lease=dispatch.lease, leased_until=now + LEASE)
    return dispatches, bool(webhooks)


def due(heads: dict[str, int], *, now: datetime) -> QuerySet[Webhook]:
    """Those that nobody holds and that have something to hear: a message asked for, or one whose time has come."""
    mine = Q(webhook=OuterRef("pk"))
    asked = Exists(WebhookMessage.objects.filter(mine, asked_at__isnull=False))
    pending = Exists(WebhookMessage.objects.filter(mine, state=WebhookMessage.State.PENDING).exclude(feed=""))
    behind = Q(pk__in=[])
    for key, head in heads.items():
        behind |= Q(feed=key, after__lt=head)
    news = Exists(Subscription.objects.filter(mine).filter(behind))
    is_free = Q(leased_until__isnull=True) | Q(leased_until__lte=now)
    has_turn = Q(disabled_at__isnull=True, next_at__lte=now) & (pending | news)
    return Webhook.objects.filter(is_free).filter(Q(asked) | has_turn)


def _next(webhook: Webhook, heads: dict[str, int], *, now: datetime) -> Dispatch | None:
    asked = webhook.messages.filter(asked_at__isnull=False).order_by("asked_at").first()
    if asked is not None:
        return _dispatch(webhook, asked, _changes_of(asked), is_asked=True, now=now)
    pending = webhook.messages.filter(state=WebhookMessage.State.PENDING).exclude(feed="").first()
    if pending is None:
        return _new_message(webhook, heads, now=now)
    if changes := _changes_of(pending):
        return _dispatch(webhook, pending, changes, is_asked=False, now=now)
    _settle(pending, WebhookMessage.State.SKIPPED)  # all that it held was deleted meanwhile
    return None


def _new_message(webhook: Webhook, heads: dict[str, int], *, now: datetime) -> Dispatch | None:
    """The next batch of the feed that waited longest; written down before it goes."""
    known = feeds()
    for subscription in webhook.subscriptions.order_by(F("moved_at").asc(nulls_first=True), "pk"):
        if subscription.after >= heads.get(subscription.feed, 0):
            continue
        feed = known[subscription.feed]
        end = min(heads[subscription.feed], subscription.after + SPAN)
        rows = feed.changes(subjects=subscription.subjects, causes=subscription.causes)
        found = list(rows.filter(id__gt=subscription.after, id__lte=end)[: webhook.batch_size])
        until = found[-1]["id"] if len(found) == webhook.batch_size else end
        subscription.moved_at = now
        if not found:
            subscription.after = until
            subscription.save(update_fields=["after", "moved_at"])
            continue
        subscription.save(update_fields=["moved_at"])
        message = WebhookMessage.objects.create(
            webhook=webhook,
            feed=feed.key,
            subjects=subscription.subjects,
            causes=subscription.causes,
            after=subscription.after,
            until=until,
            n_changes=len(found),
            created_at=now,
        )
        return _dispatch(webhook, message, [feed.show(row) for row in found], is_asked=False, now=now)
    return None


def _changes_of(message: WebhookMessage) -> list[dict[str, object]]:
    """What the message holds, read from its feed again; what was erased since is gone from it too."""
    feed: Feed | None = feeds().get(message.feed)
    if feed is None:
        return []
    rows = feed.changes(subjects=message.subjects, causes=message.causes)
    return [feed.show(row) for row in rows.filter(id__gt=message.after, id__lte=message.until)]


def _dispatch(
    webhook: Webhook, message: WebhookMessage, changes: Sequence[dict[str, object]], *, is_asked: bool, now: datetime
) -> Dispatch:
    data = {"changes": changes, "next_after": message.until} if message.feed else {}
    body = {
        "type": f"{message.feed}.changed" if message.feed else "webhook.test",
        "timestamp": message.created_at,
        "data": data,
    }
    keys: tuple[str, ...] = (webhook.secret,)
    if webhook.old_secret and webhook.old_secret_until is not None and webhook.old_secret_until > now:
        keys = (webhook.secret, webhook.old_secret)
    return Dispatch(
        webhook.pk, uuid4(), message.pk, is_asked, webhook.url, keys, orjson.dumps(body, option=orjson.OPT_UTC_Z)
    )


def record(dispatch: Dispatch, answer: Answer, *, now: datetime) -> None:
    """Write down the attempt, and what follows from it where the lease still holds.

    An answer that comes after its lease ran out decides nothing: the message goes again under its id.
    """
    with transaction.atomic():
        webhook = Webhook.objects.select_for_update(no_key=True).filter(pk=dispatch.webhook_id).first()
        message = WebhookMessage.objects.filter(pk=dispatch.message_id).first()
        if webhook is None or message is None:
            return  # deleted meanwhile
        WebhookAttempt.objects.create(
            message=message,
            webhook=webhook,
            at=now,
            status=answer.status,
            trouble=answer.trouble,
            took_ms=answer.took_ms,
            n_bytes=len(dispatch.body),
            answer=answer.text,
        )
        if webhook.lease != dispatch.lease:
            return
        webhook.lease = webhook.leased_until = None
        if dispatch.is_asked:
            message.asked_at = None
            message.save(update_fields=["asked_at"])
        if answer.is_success:
            _succeed(webhook, message, now=now)
        elif not dispatch.is_asked:
            _fail(webhook, answer, now=now)
        elif not message.feed:
            _settle(message, WebhookMessage.State.FAILED)
        webhook.save()


def _succeed(webhook: Webhook, message: WebhookMessage, *, now: datetime) -> None:
    _settle(message, WebhookMessage.State.DELIVERED)
    webhook.succeeded_at = webhook.next_at = now
    webhook.failing_since, webhook.n_failures = None, 0


def _settle(message: WebhookMessage, state: WebhookMessage.State) -> None:
    """The message is done with; its subscription goes on after it."""
    if message.state != WebhookMessage.State.PENDING:
        return
    message.state = state
    message.save(update_fields=["state"])
    Subscription.objects.filter(webhook=message.webhook_id, feed=message.feed).update(
        after=Greatest(F("after"), message.until)
    )


def _fail(webhook: Webhook, answer: Answer, *, now: datetime) -> None:
    webhook.failing_since = webhook.failing_since or now
    webhook.next_at = now + max(back_off(webhook.n_failures), retry_after(answer.retry_after, now=now))
    webhook.n_failures += 1
    if answer.status == GONE:
        _give_up(webhook, Webhook.Reason.GONE, now=now)
    elif now - webhook.failing_since >= timedelta(days=settings.WEBHOOK_DISABLE_DAYS):
        _give_up(webhook, Webhook.Reason.FAILURES, now=now)


def _give_up(webhook: Webhook, reason: Webhook.Reason, *, now: datetime) -> None:
    webhook.disabled_at, webhook.disabled_reason, webhook.told_at = now, reason, None


def back_off(n_failures: int) -> timedelta:
    """How long to wait after the failure that follows `n_failures` others."""
    seconds = BACK_OFF_SECONDS[min(n_failures, len(BACK_OFF_SECONDS) - 1)]
    return timedelta(seconds=seconds * (1 + JITTER * random.random()))  # noqa: S311 - no secret


def retry_after(header: str, *, now: datetime) -> timedelta:
    """What `Retry-After` asks for, in seconds or as a date, up to a day; nothing where it says neither."""
    if header.isascii() and header.isdigit():
        return min(timedelta(seconds=int(header[:9])), MAX_RETRY_AFTER)
    try:
        wait = parsedate_to_datetime(header) - now
    except (TypeError, ValueError):
        return timedelta(0)
    return min(max(wait, timedelta(0)), MAX_RETRY_AFTER)
