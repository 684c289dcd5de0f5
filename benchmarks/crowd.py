"""A crowd of buyers, made by the server, and the segment that the refresh is measured with."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection

from profiles.models import EventDefinition
from segments.models import Segment

ORDERS_EACH = 5
CITIES = ["Oslo", "Rome", "Bergen", "Lima", "Kyoto", "Turin", "Basel", "Quito"]
RULE = {
    "all": [
        {"op": "attribute", "key": "city", "is": "in", "value": ["Oslo", "Rome", "Bergen"]},
        {
            "op": "event",
            "name": "Order Completed",
            "within": {"last_days": 365},
            "measure": {"sum": "$value"},
            "is": "gte",
            "value": 120,
        },
    ]
}

# The same, as somebody would write it by hand; about a fifth of the crowd.
WANTED = """
    SELECT profile.id
    FROM profiles_profile AS profile
    JOIN (
        SELECT profile_id
        FROM profiles_event
        WHERE definition_id = %(order)s
          AND occurred_at > %(now)s - interval '365 days' AND occurred_at <= %(now)s
        GROUP BY profile_id
        HAVING sum(value) >= 120
    ) AS buyer ON buyer.profile_id = profile.id
    WHERE profile.attributes ->> 'city' IN ('Oslo', 'Rome', 'Bergen')
"""


def make_crowd(n_profiles: int, *, now: datetime) -> tuple[Segment, dict[str, Any]]:
    """Profiles with a city and five orders of 1 to 100 in two years; returns the segment, and what WANTED needs."""
    order = EventDefinition.objects.get(name="Order Completed").pk
    params: dict[str, Any] = {"n": n_profiles, "cities": CITIES, "orders": ORDERS_EACH, "order": order, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_profile (public_id, attributes, first_seen_at, last_seen_at, created_at)
            SELECT gen_random_uuid(),
                   jsonb_build_object('city', (%(cities)s::text[])[1 + i %% cardinality(%(cities)s::text[])], 'n', i),
                   %(now)s, %(now)s, %(now)s
            FROM generate_series(1, %(n)s) AS i
            """,
            params,
        )
        cursor.execute(
            """
            INSERT INTO profiles_event (occurred_at, definition_id, profile_id, anchor_id, source_id, value, properties)
            SELECT %(now)s - make_interval(days => mod(abs(hashint8(id * 31 + k)), 730)),
                   %(order)s, id, id, 1, 1 + mod(abs(hashint8(id * 17 + k)), 100), '{}'
            FROM profiles_profile, generate_series(1, %(orders)s) AS k
            """,
            params,
        )
        cursor.execute("ANALYZE profiles_profile, profiles_event")
    return Segment.objects.create(key="buyers", name="Buyers", rule=RULE), params
