"""How far webhooks are behind the feeds that they hear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Subquery

from cdp.feeds import feeds
from cdp.webhooks.models import Subscription, Webhook

COUNTED = 10_000
LOOKED_THROUGH = 200_000  # for a rare segment in a busy feed; a million rows take a second


@dataclass(frozen=True)
class Waiting:
    """How many changes wait for it, or at least how many."""

    n: int = 0
    is_more: bool = False

    def __add__(self, other: Waiting) -> Waiting:
        return Waiting(self.n + other.n, self.is_more or other.is_more)


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


def count_waiting(subscription: Subscription) -> Waiting:
    """The changes that it hears and has not been told, up to COUNTED."""
    feed = feeds().get(subscription.feed)
    if feed is None:
        return Waiting()
    end = subscription.after + LOOKED_THROUGH
    rows = feed.changes(subjects=subscription.subjects, causes=subscription.causes)
    n = int(rows.filter(id__gt=subscription.after, id__lte=end)[:COUNTED].count())
    return Waiting(n, n >= COUNTED or feed.head() > end)
