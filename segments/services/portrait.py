"""Portraits: how a segment is divided by some dimension, beside everybody and beside another segment.

The index of a value (TGI, target group index) is its share among the members by its share among all, times 100: at 100
the members are as everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import orjson
from django.db import connection
from django.utils.translation import gettext as _

from cdp.json_field import json_number
from cdp.local_settings import HEAVY_WORK_MEM
from cdp.rules.days import business_day, start_of
from cdp.rules.operands import stored
from cdp.rules.types import ValueType
from profiles.dimensions import ComparedDimension, Dimension, RuleJson
from profiles.dimensions.ranges import (
    day_range_in_words,
    edges_of_days,
    edges_of_numbers,
    number_range_in_words,
)
from profiles.services.preview import in_time
from segments.models import Segment

TOP, MOST_TOP = 10, 50
FEW_VALUES = 12  # so many different numbers are named each
OUTERMOST = 0.01  # shares of people below and above the ranges, which take those far out
VALUE, RANGE, OTHER, MISSING, TOTAL = "value", "range", "other", "missing", "total"
IS_KNOWN = {"op": "attribute", "key": "is_known", "is": "eq", "value": True}


class Counts(NamedTuple):
    """Numbers of people: among all, in the segment, in the one that it is compared with."""

    everybody: int
    inside: int
    compared: int


@dataclass(frozen=True)
class Bucket:
    """The people with a value, with one in a range (`start` included, `end` left out), with another, or with none.

    `rule` says who they are, among all; None where the rule language, or who asks, cannot say it.
    """

    kind: str
    label: str
    counts: Counts
    rule: RuleJson | None
    value: Any = None
    start: Decimal | date | None = None
    end: Decimal | date | None = None


@dataclass(frozen=True)
class Breakdown:
    """One dimension of a portrait. Buckets of a list overlap, since somebody may have several of its values."""

    dimension: Dimension
    segment: Segment
    compared: Segment | None
    is_known_only: bool
    total: Counts
    buckets: list[Bucket]

    def percent(self, counts: Counts, of: str) -> float:
        """The share of those who are counted; `of` is a field of Counts."""
        whole: int = getattr(self.total, of)
        return round(100 * getattr(counts, of) / whole, 2) if whole else 0.0

    def index(self, counts: Counts, of: str) -> float | None:
        """TGI of the segment, or the compared one; None where nobody is in it or has the value."""
        whole: int = getattr(self.total, of)
        if not whole or not counts.everybody:
            return None
        part: int = getattr(counts, of)
        return round(100 * part * self.total.everybody / (whole * counts.everybody), 1)

    def people(self, bucket: Bucket | None, of: str) -> RuleJson | None:
        """The rule of those whom a number counts, all of them where no bucket is given; None where none says it."""
        chosen = {"everybody": None, "inside": self.segment, "compared": self.compared}[of]
        if (chosen and chosen.archived_at) or (bucket and bucket.rule is None):
            return None
        told: list[RuleJson] = [
            *([{"op": "segment", "key": chosen.key}] if chosen else []),
            *([IS_KNOWN] if self.is_known_only else []),
            *([bucket.rule] if bucket and bucket.rule else []),
        ]
        return None if not told else told[0] if len(told) == 1 else {"all": told}


def break_down(
    segment: Segment,
    dimension: Dimension,
    *,
    compared: Segment | None = None,
    is_known_only: bool = False,
    top: int = TOP,
    now: datetime,
) -> Breakdown:
    """Count by the values of one dimension, exactly and in one moment; the `top` values, and the others together.

    Numbers and times come in ranges, chosen from all people so that every segment has the same. Raises PreviewTimeout.
    """
    people = _People(segment.pk, compared.pk if compared else None, is_known_only)
    with in_time(work_mem=HEAVY_WORK_MEM):
        total, buckets = _buckets(people, dimension, top=top, now=now)
    return Breakdown(dimension, segment, compared, is_known_only, total, buckets)


@dataclass(frozen=True)
class _People:
    segment_id: int
    compared_id: int | None
    is_known_only: bool


@dataclass(frozen=True)
class _Row:
    kind: str
    value: Any
    counts: Counts


def _buckets(people: _People, dimension: Dimension, *, top: int, now: datetime) -> tuple[Counts, list[Bucket]]:
    if isinstance(dimension, ComparedDimension) and (edges := _edges(dimension, now=now)):
        rows = _count(people, dimension, edges=edges, top=len(edges) + 1, now=now)
        return _total(rows), _ranges(dimension, edges, rows)
    limit = max(top, min(len(dimension.names), MOST_TOP))
    rows = _count(people, dimension, edges=[], top=limit, now=now)
    return _total(rows), _values(dimension, rows)


def _total(rows: list[_Row]) -> Counts:
    return next(row.counts for row in rows if row.kind == TOTAL)


# --- Values ---


def _values(dimension: Dimension, rows: list[_Row]) -> list[Bucket]:
    """Known values in their order, even where nobody has one, but for the rest of very many; then others, the most
    frequent first; numbers by size.
    """
    found = {_hashed(row.value): row for row in rows if row.kind == VALUE}
    nobody = Counts(0, 0, 0)
    has_others = any(row.kind == OTHER for row in rows)
    is_whole = not has_others and len(dimension.names) <= MOST_TOP
    known = [value for value in dimension.names if _hashed(value) not in found] if is_whole else []
    told = [*found.values(), *(_Row(VALUE, value, nobody) for value in known)]
    order = {_hashed(value): place for place, value in enumerate(dimension.names)}
    if dimension.type is ValueType.NUMBER:
        told.sort(key=lambda row: row.value)
    elif order:
        told.sort(key=lambda row: order.get(_hashed(row.value), len(order)))
    buckets = [_value(dimension, row) for row in told]
    return [*buckets, *_rest(dimension, rows, [row.value for row in told])]


def _value(dimension: Dimension, row: _Row) -> Bucket:
    shown = dimension.shown(row.value)
    is_hidden = shown != row.value
    rule = None if is_hidden else dimension.with_value(row.value)
    return Bucket(VALUE, _in_words(dimension, shown), row.counts, rule, value=shown)


def _in_words(dimension: Dimension, value: Any) -> str:
    if not isinstance(value, list) and value in dimension.names:
        return str(dimension.names[value])
    if value in ("", []):
        return dimension.name_of_empty
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    return str(value)


def _rest(dimension: Dimension, rows: list[_Row], values: Sequence[Any]) -> list[Bucket]:
    """Those with another value, and those in whom it is missing, where there are any."""
    rest = []
    for row in rows:
        if row.kind == OTHER:
            rest.append(Bucket(OTHER, _("Other"), row.counts, dimension.with_others(values)))
        elif row.kind == MISSING:
            rest.append(Bucket(MISSING, _("Missing"), row.counts, dimension.without()))
    return sorted(rest, key=lambda bucket: bucket.kind == MISSING)


def _hashed(value: Any) -> Any:
    """1, 1.0 and true are one key to Python, and a list is none."""
    return type(value).__name__, str(value)


# --- Ranges ---


def _edges(dimension: ComparedDimension, *, now: datetime) -> list[Any]:
    """The ends of ranges, or none where values are named each: decimals, or business days."""
    if dimension.type not in (ValueType.NUMBER, ValueType.DATE, ValueType.DATETIME):
        return []
    statement, params = dimension.statement(now)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT percentile_disc(%s::float8[]) WITHIN GROUP (ORDER BY {_typed(dimension)}),
                   count(DISTINCT found.value)
            FROM ({statement}) AS found (profile_id, value)
            """,  # noqa: S608 - of our own parts
            [[0.0, OUTERMOST, 1 - OUTERMOST, 1.0], *params],
        )
        spread, n_values = cursor.fetchone()
    if not spread:
        return []
    least, low, high, most = spread
    if low == high:  # nearly all have the same
        low, high = least, most
    if dimension.type is ValueType.NUMBER:
        return edges_of_numbers(low, high) if n_values > FEW_VALUES else []
    return edges_of_days(_day(low), _day(high))


def _typed(dimension: Dimension) -> str:
    """A value as SQL that orders and compares: an exact number, or text of one width."""
    return "found.value::numeric" if dimension.type is ValueType.NUMBER else """(found.value #>> '{}') COLLATE "C" """


def _day(text: str) -> date:
    return date.fromisoformat(text) if len(text) == len("2026-01-01") else business_day(datetime.fromisoformat(text))


def _ranges(dimension: ComparedDimension, edges: list[Any], rows: list[_Row]) -> list[Bucket]:
    """From the lowest; the outermost only where somebody is there."""
    found = {int(row.value): row.counts for row in rows if row.kind == VALUE}
    in_words: Any = number_range_in_words if dimension.type is ValueType.NUMBER else day_range_in_words
    buckets = []
    for place, (start, end) in enumerate(zip([None, *edges], [*edges, None], strict=True)):
        counts = found.get(place, Counts(0, 0, 0))
        if counts.everybody or min(found, default=0) < place < max(found, default=0):
            rule = dimension.within(_as_json(start), _as_json(end))
            buckets.append(Bucket(RANGE, in_words(start, end), counts, rule, start=start, end=end))
    return [*buckets, *_rest(dimension, rows, [])]


def _as_json(edge: Any) -> Any:
    """A number of a rule; days stay days."""
    return json_number(edge) if isinstance(edge, Decimal) else edge


# --- The statement ---


def _count(people: _People, dimension: Dimension, *, edges: list[Any], top: int, now: datetime) -> list[_Row]:
    """One pass over people and one over the dimension; `edges` make the value the place of its range."""
    statement, params = dimension.statement(now)
    value, value_params = "found.value", []
    if edges:
        array = "numeric" if dimension.type is ValueType.NUMBER else "text"
        value = f"to_jsonb(width_bucket({_typed(dimension)}, %s::{array}[]))"
        value_params = [[_param(dimension, edge) for edge in edges]]
    is_many = dimension.type is ValueType.LIST
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH people AS MATERIALIZED (
                SELECT person.id,
                       inside.profile_id IS NOT NULL AS is_inside,
                       compared.profile_id IS NOT NULL AS is_compared
                FROM profiles_profile AS person
                LEFT JOIN segments_membership AS inside
                    ON inside.profile_id = person.id AND inside.segment_id = %s
                LEFT JOIN segments_membership AS compared
                    ON compared.profile_id = person.id AND compared.segment_id = %s
                WHERE person.merged_into_id IS NULL
                    AND person.erased_at IS NULL
                    {KNOWN if people.is_known_only else ""}
            ), told AS MATERIALIZED (
                SELECT people.id, people.is_inside, people.is_compared, {value} AS value
                FROM people
                LEFT JOIN ({statement}) AS found (profile_id, value) ON found.profile_id = people.id
            ), counted AS (
                SELECT value,
                       count(*) AS n_all,
                       count(*) FILTER (WHERE is_inside) AS n_inside,
                       count(*) FILTER (WHERE is_compared) AS n_compared
                FROM told
                GROUP BY value
            ), ranked AS (
                SELECT *, row_number() OVER (ORDER BY n_all DESC, value) AS place
                FROM counted
                WHERE value IS NOT NULL
            )
            SELECT 'value', value::text, n_all, n_inside, n_compared, place
            FROM ranked
            WHERE place <= %s
            UNION ALL
            SELECT 'missing', NULL, n_all, n_inside, n_compared, NULL
            FROM counted
            WHERE value IS NULL
            UNION ALL
            {OTHERS_OF_LISTS if is_many else OTHERS}
            UNION ALL
            SELECT 'total', NULL, count(*), count(*) FILTER (WHERE is_inside), count(*) FILTER (WHERE is_compared), NULL
            FROM people
            ORDER BY 6
            """,  # noqa: S608 - of our own parts; names and values are parameters
            [people.segment_id, people.compared_id, *value_params, *params, top, top],
        )
        return [
            _Row(kind, None if value is None else orjson.loads(value), Counts(*numbers))
            for kind, value, *numbers, _place in cursor.fetchall()
        ]


KNOWN = """AND EXISTS (
                        SELECT 1
                        FROM profiles_identifier AS identifier
                        JOIN profiles_identifierkind AS kind ON kind.id = identifier.kind_id
                        WHERE identifier.profile_id = person.id AND kind.is_personal
                    )"""
OTHERS = """
            SELECT 'other', NULL, sum(n_all)::bigint, sum(n_inside)::bigint, sum(n_compared)::bigint, NULL
            FROM ranked
            WHERE place > %s
            HAVING count(*) > 0
"""
# Somebody may have several of the others.
OTHERS_OF_LISTS = """
            SELECT 'other',
                   NULL,
                   count(DISTINCT told.id),
                   count(DISTINCT told.id) FILTER (WHERE told.is_inside),
                   count(DISTINCT told.id) FILTER (WHERE told.is_compared),
                   NULL
            FROM told
            JOIN ranked ON ranked.value = told.value
            WHERE ranked.place > %s
            HAVING count(*) > 0
"""


def _param(dimension: Dimension, edge: Any) -> Any:
    """An edge as the stored values compare with it."""
    if dimension.type is ValueType.NUMBER:
        return edge
    return edge.isoformat() if dimension.type is ValueType.DATE else stored(start_of(edge))
