"""How far webhooks are behind the feeds that they hear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Subquery

from cdp.feeds import feeds
from cdp.webhooks.models import Subscription, Webhook

COUNTED = 10_000


@dataclass(frozen=True)
class Backlog:
    """How many changes of its feeds a webhook has not come past, and when the oldest of them happened. What it does
    not hear counts too, until its turn comes: then it is passed by.
    """

    n_changes: int = 0
    since: datetime | None = None


def backlogs(webhooks: Sequence[Webhook]) -> dict[int, Backlog]:
    """By webhook; a query or two for each feed, however many webhooks there are."""
    found = {webhook.pk: Backlog() for webhook in webhooks}
    for feed in feeds().values():
        head = feed.head()
        behind = Subscription.objects.filter(webhook__in=list(found), feed=feed.key, after__lt=head)
        ahead = feed.model._default_manager.filter(pk__gt=OuterRef("after")).order_by("pk")
        for subscription in behind.annotate(since=Subquery(ahead.values("at")[:1])):
            known = found[subscription.webhook_id]
            times = [each for each in (known.since, subscription.since) if each is not None]
            n_changes = known.n_changes + head - subscription.after
            found[subscription.webhook_id] = Backlog(n_changes, min(times, default=None))
    return found


def count_waiting(subscription: Subscription) -> int:
    """How many changes that it hears wait for it, at most COUNTED."""
    feed = feeds().get(subscription.feed)
    if feed is None:
        return 0
    rows = feed.changes(subjects=subscription.subjects, causes=subscription.causes)
    return int(rows.filter(id__gt=subscription.after)[:COUNTED].count())
