"""The segment that the refresh is measured with, and a hundred like it: by rule, and as somebody would write them."""

from __future__ import annotations

from typing import Any

from benchmarks.crowd import ORDER
from segments.models import Segment

RULE: dict[str, Any] = {
    "all": [
        {"op": "attribute", "key": "city", "is": "in", "value": ["Oslo", "Rome", "Bergen"]},
        {
            "op": "event",
            "name": ORDER,
            "within": {"last_days": 365},
            "measure": {"sum": "$value"},
            "is": "gte",
            "value": 120,
        },
    ]
}
# About an eighth of the crowd. Values are added as the decimals that they stand for, as the rule does it: sums of
# doubles depend on the order in which they are read.
WANTED = """
    SELECT profile.id
    FROM profiles_profile AS profile
    JOIN (
        SELECT profile_id
        FROM profiles_event
        WHERE definition_id = %(order)s
          AND occurred_at > %(now)s - interval '365 days' AND occurred_at <= %(now)s
        GROUP BY profile_id
        HAVING sum(value::numeric) >= 120
    ) AS buyer ON buyer.profile_id = profile.id
    WHERE profile.attributes ->> 'city' IN ('Oslo', 'Rome', 'Bergen')
"""
BUYERS = "buyers"
N_SEGMENTS = 100
DAYS = [7, 30, 60, 90, 180, 270, 365]
# What a rule measures, and the same in SQL, which is never NULL.
MEASURES: list[tuple[Any, str]] = [
    ("count", "count(*)"),
    ({"sum": "$value"}, "sum(value::numeric)"),
    ({"max": "$value"}, "max(value)"),
    ("days", "count(DISTINCT (occurred_at AT TIME ZONE 'Asia/Shanghai')::date)"),
]


def make_segment() -> Segment:
    return Segment.objects.create(key=BUYERS, name="Buyers", rule=RULE)


def rule_of(number: int, *, has_window: bool) -> dict[str, Any]:
    """One of a hundred rules: every fourth just asks for an order, every other for a city too."""
    measure, _sql = MEASURES[number % len(MEASURES)]
    condition: dict[str, Any] = {"op": "event", "name": ORDER}
    if has_window:
        condition["within"] = {"last_days": DAYS[number % len(DAYS)]}
    if number % 4:
        condition |= {"measure": measure, "is": "gte", "value": least(number)}
    if number % 2:
        return condition
    return {"all": [{"op": "attribute", "key": "city", "is": "in", "value": ["Oslo", "Rome", "Bergen"]}, condition]}


def wanted_of(number: int, *, has_window: bool) -> str:
    """The same rule by hand, of the profiles in %(changed)s."""
    _measure, measured = MEASURES[number % len(MEASURES)]
    after = f"AND occurred_at > %(now)s - interval '{DAYS[number % len(DAYS)]} days'" if has_window else ""
    happened = f"FROM profiles_event WHERE definition_id = %(order)s {after} AND occurred_at <= %(now)s"
    having = f"GROUP BY profile_id HAVING {measured} >= {least(number)}" if number % 4 else ""
    found = f"SELECT DISTINCT profile_id {happened} AND profile_id = ANY(%(changed)s) {having}"
    if number % 2:
        return found
    return f"""
        SELECT profile.id AS profile_id
        FROM profiles_profile AS profile JOIN ({found}) AS buyer ON buyer.profile_id = profile.id
        WHERE profile.id = ANY(%(changed)s) AND profile.attributes ->> 'city' IN ('Oslo', 'Rome', 'Bergen')
    """


def least(number: int) -> int:
    """So that some of the crowd reach it, and some do not."""
    return 2 + number % 3 if MEASURES[number % len(MEASURES)][0] in ("count", "days") else 60 + number % 40
