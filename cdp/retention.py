"""How long changes are kept in feeds, and attempts in the books of webhooks."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import takewhile

from django.db import connection, transaction
from django.db.models import Min
from psycopg import sql

from cdp.feeds import Feed, feeds
from cdp.webhooks.manage import delete_messages
from cdp.webhooks.models import FeedStart, Subscription, WebhookMessage

CHUNK = 10_000
MESSAGE_KEPT = timedelta(days=30)


def purge_feeds(*, now: datetime, days: int) -> None:
    """Let each feed start with the changes of the last `days`; 0 keeps all.

    What a webhook has not been told stays, also of one that is switched off.
    """
    if days:
        for feed in feeds().values():
            while feed.state and purge_chunk(feed, before=now - timedelta(days=days)):
                pass


def purge_chunk(feed: Feed, *, before: datetime) -> int:
    """Move the start of the feed past up to CHUNK changes from before a time; returns past how many.

    Of each state the last row stays, so that it is known as of any later moment; see `Feed`.
    """
    rows = feed.model._default_manager.all()
    with transaction.atomic():
        start = FeedStart.objects.filter(feed=feed.key).first()
        first = 0 if start is None else start.after
        unsent = Subscription.objects.filter(feed=feed.key).aggregate(until=Min("after"))["until"]
        found = rows.filter(pk__gt=first) if unsent is None else rows.filter(pk__gt=first, pk__lte=unsent)
        old = list(takewhile(lambda row: row[1] < before, found.order_by("pk").values_list("pk", "at")[:CHUNK]))
        if not old:
            return 0
        last, at = old[-1][0], max(at for _pk, at in old)
        delete_followed(feed, after=first, until=last)
        rows.filter(feed.ended, pk__gt=first, pk__lte=last).delete()
        FeedStart.objects.update_or_create(
            feed=feed.key, defaults={"after": last, "at": at if start is None else max(at, start.at)}
        )
        return len(old)


def delete_followed(feed: Feed, *, after: int, until: int) -> None:
    """Delete the rows that one of the same state in (after, until] follows."""
    statement = sql.SQL(
        """
        DELETE FROM {table}
        WHERE id IN (
            SELECT earlier.id
            FROM {table} AS later
            JOIN {table} AS earlier ON {same} AND earlier.id < later.id
            WHERE later.id > %s AND later.id <= %s
        )
        """
    ).format(
        table=sql.Identifier(feed.model._meta.db_table),
        same=sql.SQL(" AND ").join(
            sql.SQL("earlier.{column} = later.{column}").format(column=sql.Identifier(name)) for name in feed.state
        ),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [after, until])


def purge_messages(*, now: datetime) -> None:
    """Delete what was sent MESSAGE_KEPT ago, with its attempts; what is under way stays."""
    old = WebhookMessage.objects.filter(created_at__lt=now - MESSAGE_KEPT, asked_at__isnull=True)
    delete_messages(old.exclude(state=WebhookMessage.State.PENDING))
