"""The sizes of segments by day, counted from the feed of changes, and alerts where they change too much."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.core.mail import send_mail
from django.db import connection, transaction
from django.db.models import F, OuterRef, QuerySet, Subquery, Sum
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from cdp.rules.days import business_day
from segments.models import CountedFeed, MembershipChange, SegmentDay, SizeAlert

NOTICE_DAYS = 7  # so long the pages show an alert
CHUNK = 200_000  # changes a transaction


class DaySize(NamedTuple):
    """The size at the end of a business day, and who came and went on it."""

    day: date
    n_members: int
    n_entered: int
    n_left: int


def count_days() -> int:
    """Count the changes that came since the last time into their days; returns how many. Each is counted once,
    however often this is cut off.
    """
    n_counted = 0
    while n := count_chunk():
        n_counted += n
    return n_counted


@transaction.atomic
def count_chunk() -> int:
    CountedFeed.objects.get_or_create(pk=1)
    counted = CountedFeed.objects.select_for_update().get(pk=1)
    ahead = MembershipChange.objects.filter(id__gt=counted.last_change).order_by("id")
    ids = ahead.values_list("id", flat=True)
    last = ids[CHUNK - 1 : CHUNK].first() or ahead.reverse().values_list("id", flat=True).first()
    if last is None:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH came AS (
                SELECT segment_id, (at AT TIME ZONE %s)::date AS day,
                    count(*) FILTER (WHERE change = 'entered') AS n_entered,
                    count(*) FILTER (WHERE change = 'left') AS n_left
                FROM segments_membershipchange
                WHERE id > %s AND id <= %s
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
            """,
            [settings.TIME_ZONE, counted.last_change, last],
        )
        (n_counted,) = cursor.fetchone()
    CountedFeed.objects.filter(pk=1).update(last_change=last)
    return int(n_counted)


def days_with_sizes(segment_id: int) -> QuerySet[SegmentDay]:
    """The days on which somebody came or went, the latest first, each with `n_members` at its end."""
    until = SegmentDay.objects.filter(segment=segment_id, day__lte=OuterRef("day")).order_by()
    size = until.values("segment").annotate(n=Sum(F("n_entered") - F("n_left"))).values("n")
    return SegmentDay.objects.filter(segment=segment_id).annotate(n_members=Subquery(size)).order_by("-day")


def sizes_by_day(segment_id: int, *, until: date, n_days: int) -> list[DaySize]:
    """The last `n_days` days, the earliest first, those without a change too; from the first on that there was one."""
    first = until - timedelta(days=n_days - 1)
    rows = SegmentDay.objects.filter(segment=segment_id, day__lte=until)
    size = rows.filter(day__lt=first).aggregate(n=Sum(F("n_entered") - F("n_left")))["n"]
    by_day = {row.day: row for row in rows.filter(day__gte=first)}
    found = []
    for day in (first + timedelta(days=n) for n in range(n_days)):
        row = by_day.get(day)
        if row is None and size is None:
            continue  # it was not filled yet
        entered, left = (row.n_entered, row.n_left) if row else (0, 0)
        size = (size or 0) + entered - left
        found.append(DaySize(day, size, entered, left))
    return found


def note_alerts(*, day: date) -> int:
    """Note the segments whose size changed on a day by more than they allow; returns how many are new. The first
    filling is no change.
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
            ON CONFLICT (segment_id, day) DO UPDATE SET after = excluded.after
            RETURNING xmax = 0
            """,
            {"day": day},
        )
        return sum(is_new for (is_new,) in cursor.fetchall())


def watch_sizes(*, now: datetime) -> None:
    """Count, note what is alarming of today and of what was counted of yesterday since, and tell the owners."""
    count_days()
    today = business_day(now)
    for day in (today - timedelta(days=1), today):
        note_alerts(day=day)
    if settings.IS_MAIL_SET_UP:
        mail_alerts(now=now, since=today - timedelta(days=1))


def recent_alerts(*, now: datetime) -> QuerySet[SizeAlert]:
    """Of the last days, the latest first, of segments in use."""
    since = business_day(now) - timedelta(days=NOTICE_DAYS)
    rows = SizeAlert.objects.filter(day__gte=since, segment__archived_at__isnull=True)
    return rows.select_related("segment").order_by("-day", "segment__name")


def mail_alerts(*, now: datetime, since: date) -> int:
    """Tell the owners who have an address, each alert once: what was cut off after it was claimed is not sent again."""
    due = SizeAlert.objects.filter(day__gte=since, mailed_at=None).exclude(segment__owner__email="")
    due = due.filter(segment__owner__is_active=True).select_related("segment__owner")
    n_mailed = 0
    for alert in due:
        if SizeAlert.objects.filter(pk=alert.pk, mailed_at=None).update(mailed_at=now):
            mail_alert(alert)
            n_mailed += 1
    return n_mailed


def mail_alert(alert: SizeAlert) -> None:
    """In the language of the platform, since nobody has said another."""
    segment = alert.segment
    with override(settings.LANGUAGE_CODE):
        subject = _("Size of “%(segment)s”: %(before)s → %(after)s")
        body = _("On %(day)s the size of “%(segment)s” changed by more than %(percent)s%%.")
        values = {
            "segment": segment.name,
            "before": f"{alert.before:,}",
            "after": f"{alert.after:,}",
            "day": alert.day.isoformat(),
            "percent": segment.alert_percent,
        }
        page = settings.PUBLIC_URL + reverse("admin:segments_segment_sizes", args=[segment.pk])
        owner = segment.owner
        if owner is not None:
            send_mail(subject % values, f"{body % values}\n\n{page}\n", None, [owner.email])
