"""The sizes of segments by day, counted from the feed of changes, and alerts where they change too much."""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.db import connection
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from cdp.by_day import count_feed
from cdp.models import User
from cdp.rules.days import business_day
from segments.models import CountedFeed, MembershipChange, SizeAlert

NOTICE_DAYS = 7  # so long the pages show an alert
logger = logging.getLogger(__name__)

COUNT = """
    WITH came AS (
        SELECT segment_id,
               (at AT TIME ZONE %(zone)s)::date AS day,
               count(*) FILTER (WHERE change = 'entered') AS n_entered,
               count(*) FILTER (WHERE change = 'left') AS n_left
        FROM segments_membershipchange
        WHERE id > %(after)s AND id <= %(until)s
        GROUP BY 1, 2
    ), counted AS (
        INSERT INTO segments_segmentday AS known (segment_id, day, n_entered, n_left)
        SELECT segment_id, day, n_entered, n_left
        FROM came
        ORDER BY segment_id, day
        ON CONFLICT (segment_id, day) DO UPDATE
        SET n_entered = known.n_entered + excluded.n_entered, n_left = known.n_left + excluded.n_left
    )
    SELECT coalesce(sum(n_entered + n_left), 0) FROM came
"""


def count_days() -> int:
    """Count the changes that came since the last time into their days; returns how many."""
    return count_feed(CountedFeed, MembershipChange, COUNT)


def note_alerts(*, day: date) -> int:
    """Note the segments whose size changed on a day by more than they allow; returns how many are new. The first
    filling is no change. What was noted before follows the size, also back to what is allowed; what was cleared opens
    again where the day has got another size since, not where a later day has brought it back.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO segments_sizealert AS known (segment_id, day, before, after)
            SELECT segment.id, %(day)s, size.before, size.after
            FROM segments_segment AS segment
            CROSS JOIN LATERAL (
                SELECT sum(n_entered - n_left) FILTER (WHERE day < %(day)s) AS before,
                    sum(n_entered - n_left) AS after
                FROM segments_segmentday
                WHERE segment_id = segment.id AND day <= %(day)s
            ) AS size
            WHERE segment.archived_at IS NULL AND size.before > 0
                AND abs(size.after - size.before) * 100 > segment.alert_percent * size.before
            ORDER BY segment.id
            ON CONFLICT (segment_id, day) DO UPDATE
            SET after = excluded.after,
                cleared_at = CASE WHEN known.after = excluded.after THEN known.cleared_at END
            RETURNING xmax = 0
            """,
            {"day": day},
        )
        n_new = sum(is_new for (is_new,) in cursor.fetchall())
        cursor.execute(
            """
            UPDATE segments_sizealert AS alert
            SET after = size.after
            FROM (
                SELECT noted.id, sum(n_entered - n_left) AS after
                FROM segments_sizealert AS noted
                JOIN segments_segmentday AS counted USING (segment_id)
                WHERE noted.day = %(day)s AND counted.day <= %(day)s
                GROUP BY noted.id
            ) AS size
            WHERE alert.id = size.id AND alert.after <> size.after
            """,
            {"day": day},
        )
        return int(n_new)


def clear_alerts(*, now: datetime) -> int:
    """Clear those of the last days after which the size is back within the share of what it was before, or whose
    segment asks for none any more; returns how many.
    """
    today = business_day(now)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE segments_sizealert AS alert
            SET cleared_at = %(now)s
            FROM segments_segment AS segment
            CROSS JOIN LATERAL (
                SELECT sum(n_entered - n_left) AS n
                FROM segments_segmentday
                WHERE segment_id = segment.id AND day <= %(today)s
            ) AS size
            WHERE alert.segment_id = segment.id
                AND alert.cleared_at IS NULL
                AND alert.day >= %(since)s
                AND (segment.alert_percent IS NULL
                    OR abs(size.n - alert.before) * 100 <= segment.alert_percent * alert.before)
            """,
            {"now": now, "today": today, "since": today - timedelta(days=NOTICE_DAYS)},
        )
        return int(cursor.rowcount)


def see_alert(alert: SizeAlert, *, user: User, now: datetime) -> None:
    """Somebody has seen to it: it is shown no more. The first one counts."""
    SizeAlert.objects.filter(pk=alert.pk, seen_at=None).update(seen_at=now, seen_by=user)


def watch_sizes(*, now: datetime) -> None:
    """Count, note what is alarming of today and of what was counted of yesterday since, clear what is so no more, and
    tell the owners.
    """
    count_days()
    today = business_day(now)
    for day in (today - timedelta(days=1), today):
        note_alerts(day=day)
    clear_alerts(now=now)
    if settings.IS_MAIL_SET_UP:
        mail_alerts(now=now, since=today - timedelta(days=1))


def recent_alerts(*, now: datetime) -> QuerySet[SizeAlert]:
    """The open ones of the last days, the latest first, of segments in use."""
    since = business_day(now) - timedelta(days=NOTICE_DAYS)
    rows = SizeAlert.objects.filter(day__gte=since, segment__archived_at=None, cleared_at=None, seen_at=None)
    return rows.select_related("segment").order_by("-day", "segment__name")


def mail_alerts(*, now: datetime, since: date) -> int:
    """Tell the owners who have an address, each alert once: what was cut off after it was claimed is not sent again,
    what the mail server refused is.
    """
    due = SizeAlert.objects.filter(day__gte=since, mailed_at=None, cleared_at=None, seen_at=None).exclude(
        segment__owner__email=""
    )
    due = due.filter(segment__owner__is_active=True).select_related("segment__owner")
    n_mailed = 0
    for alert in due:
        if SizeAlert.objects.filter(pk=alert.pk, mailed_at=None).update(mailed_at=now):
            try:
                mail_alert(alert)
            except (SMTPException, OSError):
                logger.exception("The owner of the segment %s could not be told of its size.", alert.segment.key)
                SizeAlert.objects.filter(pk=alert.pk, mailed_at=now).update(mailed_at=None)
            else:
                n_mailed += 1
    return n_mailed


def mail_alert(alert: SizeAlert) -> None:
    """In the language of the platform, since nobody has said another."""
    segment = alert.segment
    with override(settings.LANGUAGE_CODE):
        subject = _("Size of “%(segment)s”: %(before)s → %(after)s")
        body = _(
            "On %(day)s the size of “%(segment)s” changed from %(before)s to %(after)s (%(change)s), by more than "
            "%(percent)s%%."
        )
        values = {
            "segment": segment.name,
            "before": f"{alert.before:,}",
            "after": f"{alert.after:,}",
            "day": alert.day.isoformat(),
            "change": alert.change,
            "percent": segment.alert_percent,
        }
        page = settings.PUBLIC_URL + reverse("admin:segments_segment_sizes", args=[segment.pk])
        owner = segment.owner
        if owner is not None:
            send_mail(subject % values, f"{body % values}\n\n{page}\n", None, [owner.email])
