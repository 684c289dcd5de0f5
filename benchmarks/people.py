"""Known people, made by the server, and the messages of a busy site: most of people who are known, some of new ones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from django.db import connection, transaction
from django.db.models import Max
from django.db.models.functions import Coalesce

from cdp.local_settings import set_local
from profiles.models import EventDefinition, Identifier, Profile, Source

IDENTIFIERS_EACH = 4  # a user id, an address, two devices
EVENTS_EACH = 5
STEPS = 5  # messages of a visit

# The person numbered `i` has the profile `i + profiles`, and four identifiers from `each * i + identifiers` on; the
# first, the user id, anchors what the person said and did.
FILL = [
    """
    INSERT INTO profiles_profile (id, public_id, attributes, first_seen_at, created_at)
    SELECT i + %(profiles)s, gen_random_uuid(),
        jsonb_build_object('name', 'Person ' || i, 'city', 'City ' || i %% 99, 'language', 'zh-CN',
            'timezone', 'Asia/Shanghai', 'email', 'person' || i || '@example.com'),
        %(now)s - interval '2 years', %(now)s
    FROM generate_series(%(first)s, %(last)s) AS i
    """,
    """
    INSERT INTO profiles_lastsight (profile_id, at)
    SELECT i + %(profiles)s, %(now)s - interval '1 month' FROM generate_series(%(first)s, %(last)s) AS i
    """,
    """
    INSERT INTO profiles_identifier (id, kind_id, value, profile_id, first_seen_at)
    SELECT %(each)s * i + %(identifiers)s + known.place, kind.id, known.value, i + %(profiles)s,
        %(now)s - interval '2 years'
    FROM generate_series(%(first)s, %(last)s) AS i,
        LATERAL (VALUES
            (0, 'user_id', 'u' || i),
            (1, 'email', 'person' || i || '@example.com'),
            (2, 'anonymous_id', 'device-' || i || '-0'),
            (3, 'anonymous_id', 'device-' || i || '-1')
        ) AS known (place, kind_key, value)
        JOIN profiles_identifierkind AS kind ON kind.key = known.kind_key
    """,
    """
    INSERT INTO profiles_identitylink (left_id, right_id, source_id, message_id, occurred_at)
    SELECT %(each)s * i + %(identifiers)s, %(each)s * i + %(identifiers)s + place, %(source)s, 'old',
        %(now)s - interval '2 years'
    FROM generate_series(%(first)s, %(last)s) AS i, generate_series(1, %(each)s - 1) AS place
    """,
    """
    INSERT INTO profiles_contribution (anchor_id, source_id, definition_id, value, fits, occurred_at, message_id)
    SELECT %(each)s * (profile.id - %(profiles)s) + %(identifiers)s, %(source)s, definition.id, said.value, true,
        %(now)s - interval '2 years', 'old'
    FROM profiles_profile AS profile, jsonb_each(profile.attributes) AS said
        JOIN profiles_attributedefinition AS definition ON definition.key = said.key
    WHERE profile.id BETWEEN %(first)s + %(profiles)s AND %(last)s + %(profiles)s
    """,
    """
    INSERT INTO profiles_event (occurred_at, definition_id, profile_id, anchor_id, source_id, value, properties)
    SELECT %(now)s - make_interval(hours => 24 + mod(abs(hashint8(i * 31 + k)), 15000)), %(order)s, i + %(profiles)s,
        %(each)s * i + %(identifiers)s, %(source)s, 1 + k, '{"total": 9}'
    FROM generate_series(%(first)s, %(last)s) AS i, generate_series(1, %(events)s) AS k
    """,
    """
    INSERT INTO profiles_messagekey (key)
    SELECT md5(i || ' ' || k)::uuid
    FROM generate_series(%(first)s, %(last)s) AS i, generate_series(1, %(events)s) AS k
    """,
    "SELECT setval(pg_get_serial_sequence('profiles_profile', 'id'), max(id)) FROM profiles_profile",
    "SELECT setval(pg_get_serial_sequence('profiles_identifier', 'id'), max(id)) FROM profiles_identifier",
]
TABLES = ["profile", "lastsight", "identifier", "identitylink", "contribution", "event", "messagekey"]


def make_people(first: int, last: int, *, source: Source, now: datetime) -> None:
    """The people numbered `first` to `last`, each with identifiers, attributes and old orders, beside whoever is there.

    As a superuser of the database.
    """
    params: dict[str, Any] = {"first": first, "last": last, "now": now, "source": source.pk, "each": IDENTIFIERS_EACH}
    params |= {"events": EVENTS_EACH, "order": EventDefinition.objects.get(name="Order Completed").pk}
    params |= {"profiles": next_id(Profile) - first, "identifiers": next_id(Identifier) - IDENTIFIERS_EACH * first}
    with transaction.atomic(), connection.cursor() as cursor:
        set_local(session_replication_role="replica")  # checking 20 foreign keys a person takes longer than all else
        for statement in FILL:
            cursor.execute(statement, params)
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {', '.join(f'profiles_{table}' for table in TABLES)}")


def next_id(model: type[Profile | Identifier]) -> int:
    last: int = model._default_manager.aggregate(last=Coalesce(Max("pk"), 0))["last"]
    return last + 1


def visits(n_messages: int, *, n_people: int, now: datetime, seed: int) -> Iterator[dict[str, Any]]:
    """Messages in the order in which a busy site gets them: those of one visit lie far apart.

    A tenth of the visits are of new people, a tenth of known ones on a new device; a tenth of the messages identify.
    """
    chance = random.Random(seed)
    moments = []
    for visit in range(ceil(n_messages / STEPS)):
        who = str(chance.randint(1, n_people)) if chance.random() < 0.9 else f"new-{seed}-{visit}"
        device = f"new-device-{seed}-{visit}" if chance.random() < 0.1 else f"device-{who}-{chance.randrange(2)}"
        start = chance.random()
        moments += [(start + step * chance.uniform(0.05, 0.15), step, visit, who, device) for step in range(STEPS)]
    for place, (_moment, step, visit, who, device) in enumerate(sorted(moments)[:n_messages]):
        yield {
            "messageId": f"{seed}-{visit}-{step}",
            "anonymousId": device,
            "timestamp": (now - timedelta(seconds=n_messages - place)).isoformat(),
            "context": CONTEXT,
            **said(step, visit, who),
        }


CONTEXT = {
    "library": {"name": "analytics.js", "version": "npm:next-1.84.3"},
    "locale": "zh-CN",
    "timezone": "Asia/Shanghai",
    "page": {"path": "/tea/oolong", "referrer": "", "search": "", "title": "Oolong", "url": "https://shop.example/tea"},
    "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
}


def said(step: int, visit: int, who: str) -> dict[str, Any]:
    """What a visitor does at one step of a visit: look round twice, sign in and say who they are, order, look again."""
    product = {"product_id": f"p{visit % 997}", "category": "tea", "price": visit % 50}
    if step == 0:
        return {"type": "page", "name": "Tea", "properties": {"path": "/tea/oolong", "title": "Oolong"}}
    if step == 1:
        return {"type": "track", "event": "Product Viewed", "properties": product}
    if step == 2 and visit % 2:
        traits = {"email": f"Person{who}@example.com", "name": f"Person {who}", "city": f"City {visit % 99}"}
        return {"type": "identify", "userId": f"u{who}", "traits": traits}
    if step == 3:
        order = {"order_id": f"o{visit}", "total": visit % 500, "products": [product]}
        return {"type": "track", "userId": f"u{who}", "event": "Order Completed", "properties": order}
    return {"type": "track", "userId": f"u{who}", "event": "Product Viewed", "properties": product}
