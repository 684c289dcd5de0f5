"""How many people carry a tag, and each of its values, by business day: counted from the feed of changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from cdp.by_day import GROWTH, DaySize, count_feed, fill_days
from tags.models import CountedTags, Tag, TagChange, TagDay

WHOLE = ""  # the tag, whatever its value
MAX_VALUES = 50  # of a trend

# A change from one value to another is an exit and an entry of theirs, and nothing to the tag as a whole.
COUNT = """
    WITH came AS (
        SELECT change.tag_id,
               part.value,
               (change.at AT TIME ZONE %(zone)s)::date AS day,
               sum(part.entered::int) AS n_entered,
               sum(part.gone::int) AS n_left
        FROM tags_tagchange AS change
        CROSS JOIN LATERAL (
            VALUES ('', change.before IS NULL, change.after IS NULL),
                   (nullif(change.after, ''), change.before IS DISTINCT FROM change.after, false),
                   (nullif(change.before, ''), false, change.before IS DISTINCT FROM change.after)
        ) AS part (value, entered, gone)
        WHERE change.id > %(after)s AND change.id <= %(until)s AND part.value IS NOT NULL AND part.entered <> part.gone
        GROUP BY 1, 2, 3
    ), counted AS (
        INSERT INTO tags_tagday AS known (tag_id, value, day, n_entered, n_left)
        SELECT tag_id, value, day, n_entered, n_left
        FROM came
        ORDER BY tag_id, value, day
        ON CONFLICT (tag_id, value, day) DO UPDATE
        SET n_entered = known.n_entered + excluded.n_entered, n_left = known.n_left + excluded.n_left
    )
    SELECT count(*) FROM tags_tagchange WHERE id > %(after)s AND id <= %(until)s
"""


@dataclass(frozen=True)
class Trend:
    """Each business day, the earliest first, from the first on that somebody got the tag.

    `values` has those by the key of the value in their order: all of the tag, and those removed that somebody carried
    within the period. Where a value came later than the tag, its days are fewer. Of very many values it has those that
    most people carried at the end, and `n_left_out` is how many others there are.
    """

    whole: Sequence[DaySize]
    values: Mapping[str, Sequence[DaySize]]
    n_left_out: int = 0


def count_days() -> int:
    """Count the changes that came since the last time into their days; returns how many."""
    return count_feed(CountedTags, TagChange, COUNT)


def trend_of(tag: Tag, *, until: date, n_days: int) -> Trend:
    """The last `n_days` days. Two queries beside that of the values."""
    first = until - timedelta(days=n_days - 1)
    before = sizes_before(tag.pk, first)
    rows: dict[str, list[TagDay]] = {}
    for row in TagDay.objects.filter(tag=tag, day__gte=first, day__lte=until):
        rows.setdefault(row.value, []).append(row)
    known = [value.key for value in sorted(tag.values.all(), key=lambda value: value.position)]
    if n_left_out := max(0, len(known) - MAX_VALUES):
        last = {key: before.get(key, 0) + sum(row.n_entered - row.n_left for row in rows.get(key, ())) for key in known}
        most = set(sorted(known, key=lambda key: -last[key])[:MAX_VALUES])
        known = [key for key in known if key in most]
    shown = {WHOLE, *known} if n_left_out else rows.keys() | before.keys()
    series = {
        value: fill_days(rows.get(value, ()), before.get(value), first=first, until=until)
        for value in (rows.keys() | before.keys()) & shown
    }
    gone = [value for value in sorted(series.keys() - {WHOLE, *known}) if any(day.n_members for day in series[value])]
    return Trend(series.get(WHOLE, []), {value: series.get(value, []) for value in (*known, *gone)}, n_left_out)


def sizes_before(tag_id: int, day: date) -> dict[str, int]:
    """How many carried each value at the start of a day; those that nobody had carried yet are left out."""
    return dict(TagDay.objects.filter(tag=tag_id, day__lt=day).order_by().values_list("value").annotate(n=GROWTH))


def days_of(tag_id: int) -> QuerySet[TagDay, Any]:
    """The days on which somebody got a tag, lost it, or changed one value for another, the latest first."""
    is_whole = Q(value=WHOLE)
    days = TagDay.objects.filter(tag=tag_id).order_by().values("day")
    return days.annotate(
        n_assigned=Coalesce(Sum("n_entered", filter=is_whole), 0), n_removed=Coalesce(Sum("n_left", filter=is_whole), 0)
    ).order_by("-day")


def with_carriers(tag_id: int, days: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A page of `days_of`, each with `n_carriers` at its end, and `values`: those by the key of the value, none where
    nobody carries it. Two queries.
    """
    if not days:
        return []
    first, last = days[-1]["day"], days[0]["day"]
    sizes = sizes_before(tag_id, first)
    rows: dict[date, list[TagDay]] = {}
    for row in TagDay.objects.filter(tag=tag_id, day__gte=first, day__lte=last):
        rows.setdefault(row.day, []).append(row)
    found = []
    for day in reversed(days):
        for row in rows[day["day"]]:
            sizes[row.value] = sizes.get(row.value, 0) + row.n_entered - row.n_left
        values = {key: n for key, n in sorted(sizes.items()) if key != WHOLE and n}
        found.append({**day, "n_carriers": sizes.get(WHOLE, 0), "values": values})
    return found[::-1]
