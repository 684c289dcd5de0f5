"""A crowd of shoppers, made by the server: what they are, and what they did in two years, in the order of time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from benchmarks.figure import Sizes
from benchmarks.scratch import scratch
from cdp.local_settings import set_local
from profiles.models import AttributeDefinition, EventDefinition

CITIES = ["Oslo", "Rome", "Bergen", "Lima", "Kyoto", "Turin", "Basel", "Quito"]
# Of a hundred events, up to which one; the rest is the last.
NAMES = {"Page Viewed": 45, "Product Viewed": 75, "Order Completed": 95, "Order Refunded": 97, "Cart Updated": 100}
ORDER = "Order Completed"
PEOPLE = [
    """
    INSERT INTO profiles_profile (id, public_id, attributes, first_seen_at, created_at)
    SELECT i, gen_random_uuid(),
        jsonb_build_object(
            'city', (%(cities)s::text[])[1 + i %% cardinality(%(cities)s::text[])],
            'gender', (array['female', 'male'])[1 + i / 8 %% 2],
            'birthday', (date '1950-01-01' + (i::bigint * 7919 %% 20000)::int)::text,
            'name', 'Person ' || i,
            'email', 'person' || i || '@example.com',
            'n_visits', i %% 1000,
            'is_subscribed', i %% 3 = 0,
            'likes', jsonb_build_array('tea', 'thing ' || i %% 50)
        ),
        %(now)s - interval '2 years', %(now)s - interval '2 years'
    FROM generate_series(1, %(profiles)s) AS i
    """,
    """
    INSERT INTO profiles_lastsight (profile_id, at)
    SELECT i, %(now)s - make_interval(mins => (i %% 100000)::int) FROM generate_series(1, %(profiles)s) AS i
    """,
    """
    INSERT INTO profiles_profilemoment (profile_id, definition_id, at, month_day)
    SELECT profile.id, definition.id, said.day AT TIME ZONE 'UTC',
        extract(month FROM said.day) * 100 + extract(day FROM said.day)
    FROM profiles_profile AS profile, profiles_attributedefinition AS definition,
        LATERAL (SELECT (profile.attributes ->> 'birthday')::timestamp AS day) AS said
    WHERE definition.key = 'birthday'
    """,
    """
    INSERT INTO profiles_identifier (id, kind_id, value, profile_id, first_seen_at)
    SELECT 2 * i + known.place, kind.id, known.value, i, %(now)s - interval '2 years'
    FROM generate_series(1, %(profiles)s) AS i,
        LATERAL (VALUES (0, 'user_id', 'u' || i), (1, 'email', 'person' || i || '@example.com'))
            AS known (place, kind_key, value)
        JOIN profiles_identifierkind AS kind ON kind.key = known.kind_key
    WHERE known.place = 0 OR i %% 2 = 0
    """,
    "SELECT setval(pg_get_serial_sequence('profiles_profile', 'id'), max(id)) FROM profiles_profile",
    "SELECT setval(pg_get_serial_sequence('profiles_identifier', 'id'), max(id)) FROM profiles_identifier",
]
# Some do much and most do little, and what one person did lies all over the table, as it came in.
EVENTS = """
    INSERT INTO profiles_event (occurred_at, definition_id, profile_id, anchor_id, source_id, value, properties)
    SELECT %(now)s - interval '2 years' * (1 - i / %(events)s::float8), kind.id, who.id, 2 * who.id, 1,
        CASE kind.name WHEN 'Order Completed' THEN chance.price WHEN 'Order Refunded' THEN -chance.price END,
        jsonb_build_object('order', 'o' || i, 'total', chance.price, 'category', 'c' || chance.price %% 10)
            || CASE WHEN kind.name = 'Order Completed' THEN jsonb_build_object('products', jsonb_build_array(
                jsonb_build_object('category', 'c' || chance.price %% 7, 'price', chance.price %% 50),
                jsonb_build_object('category', 'c' || chance.price %% 5, 'price', chance.price / 2)))
            ELSE '{}' END
    FROM generate_series(1, %(events)s) AS i,
        LATERAL (SELECT
            (hashint8(i) & 2147483647) / 2147483648.0::float8 AS who,
            (hashint8(i * 31 + 7) & 2147483647) %% 100 AS kind,
            1 + (hashint8(i * 17 + 3) & 2147483647) %% 100 AS price) AS chance,
        LATERAL (SELECT 1 + floor(power(chance.who, 1.5) * %(profiles)s)::bigint * 7919 %% %(profiles)s AS id) AS who,
        LATERAL (SELECT place, name, (%(ids)s::int[])[place] AS id
            FROM unnest(%(names)s::text[], %(upto)s::int[]) WITH ORDINALITY AS kinds (name, upto, place)
            WHERE chance.kind < kinds.upto ORDER BY place LIMIT 1) AS kind
"""


@dataclass(frozen=True)
class Crowd:
    """How many there are, and the ids of the events' definitions by name."""

    n_profiles: int
    definitions: dict[str, int]

    def params(self, now: datetime) -> dict[str, Any]:
        """What hand-written statements need."""
        return {"now": now, "order": self.definitions[ORDER], "cities": ["Oslo", "Rome", "Bergen"]}


@contextmanager
def crowded(sizes: Sizes) -> Iterator[Crowd]:
    """In a scratch database of its own with so many profiles and events."""
    with scratch(partial(make_crowd, sizes), key=("crowd", sizes.profiles, sizes.events)):
        yield Crowd(sizes.profiles, dict(EventDefinition.objects.filter(name__in=NAMES).values_list("name", "pk")))


def make_crowd(sizes: Sizes) -> None:
    """As a superuser of the database, into an empty one."""
    ids = [EventDefinition.objects.get_or_create(name=name)[0].pk for name in NAMES]
    for key, type_ in (("n_visits", "number"), ("is_subscribed", "boolean"), ("likes", "list")):
        AttributeDefinition.objects.create(key=key, type=type_)
    params: dict[str, Any] = {
        "profiles": sizes.profiles,
        "events": sizes.events,
        "now": timezone.now(),
        "cities": CITIES,
        "ids": ids,
        "names": list(NAMES),
        "upto": list(NAMES.values()),
    }
    with transaction.atomic(), connection.cursor() as cursor:
        set_local(session_replication_role="replica")  # checking foreign keys would take longer than all else
        for statement in PEOPLE:
            cursor.execute(statement, params)
        with index_made_afterwards("event_profile"):
            cursor.execute(EVENTS, params)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


@contextmanager
def index_made_afterwards(name: str) -> Iterator[None]:
    """Built at once it takes a third of what it takes row by row, in no order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = %s", [name])
        (definition,) = cursor.fetchone()
        cursor.execute(f"DROP INDEX {name}")
        yield
        set_local(maintenance_work_mem="512MB")
        cursor.execute(definition.replace(" ON ONLY ", " ON "))
