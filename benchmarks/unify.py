"""Unifying messages: from the inbox to profiles, identifiers, contributions and events."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone
from psycopg import sql

from benchmarks.figure import Figure, Sizes, benchmark, stopwatch
from profiles.ingest.accept import accept_messages
from profiles.ingest.process import process_batch
from profiles.models import (
    Contribution,
    Event,
    Identifier,
    IdentityLink,
    MessageKey,
    Profile,
    ProfileChange,
    ProfileMerge,
    Source,
)

# In the order of their foreign keys.
WRITTEN: list[type[models.Model]] = [
    Profile, Identifier, IdentityLink, Contribution, Event, MessageKey, ProfileMerge, ProfileChange,
]  # fmt: skip
MESSAGES_EACH = 5


@benchmark("unify")
def unify(sizes: Sizes) -> Iterator[Figure]:
    now = timezone.now()
    source = Source.objects.create(key="bench", name="Bench")
    accept_messages(source, messages(sizes.messages, now=now), received_at=now)
    n_done = 0
    with stopwatch() as ours:
        while processed := process_batch(now=now).n_messages:
            n_done += processed
    assert n_done == sizes.messages
    yield Figure("unify", n_done, "messages", ours.seconds, "the rows that were written, by COPY", copy_again())


def messages(n_messages: int, *, now: datetime) -> Iterator[dict[str, Any]]:
    """Buyers who look round twice, say who they are, and order twice, on one of two devices each; out of order."""
    chance = random.Random(1997)
    for number in chance.sample(range(n_messages), n_messages):
        person, step = divmod(number, MESSAGES_EACH)
        device = {"anonymousId": f"device-{person}-{chance.randrange(2)}"}
        said: dict[str, Any] = {"messageId": f"m{number}", "timestamp": (now - timedelta(minutes=number)).isoformat()}
        if step < 2:
            yield {**said, **device, "type": "track", "event": "Product Viewed", "properties": {"sku": f"s{step}"}}
        elif step == 2:
            traits = {"email": f"person{person}@example.com", "name": f"Person {person}", "city": f"City {person % 99}"}
            yield {**said, **device, "type": "identify", "userId": f"u{person}", "traits": traits}
        else:
            order = {"order_id": f"o{number}", "total": chance.randrange(1, 500)}
            yield {
                **said, **device, "type": "track", "userId": f"u{person}", "event": "Order Completed",
                "properties": order,
            }  # fmt: skip


def copy_again() -> float:
    """Take the written rows out, empty their tables, and COPY them back with all indexes and checks: the seconds."""
    names = [model._meta.db_table for model in WRITTEN]
    with connection.cursor() as cursor:
        kept = {}
        for name in names:
            select = sql.SQL("COPY (SELECT * FROM {}) TO STDOUT (FORMAT binary)").format(sql.Identifier(name))
            with cursor.copy(select) as rows:
                kept[name] = b"".join(bytes(block) for block in rows)
        cursor.execute(f"TRUNCATE {', '.join(names)} CASCADE")
        with stopwatch() as watch, transaction.atomic():
            for name in names:
                statement = sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(sql.Identifier(name))
                with cursor.copy(statement) as rows:
                    rows.write(kept[name])
        return watch.seconds
