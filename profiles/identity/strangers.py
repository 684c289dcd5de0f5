"""People whom a batch makes: of most of those that a file brings, one link speaks, and names nobody known."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import Model

from profiles.identity.groups import Key, Link
from profiles.models import Profile


class Seen(NamedTuple):
    """First and last time that somebody was seen."""

    first: datetime
    last: datetime

    def and_at(self, at: datetime) -> Seen:
        return Seen(min(self.first, at), max(self.last, at))


class Made(NamedTuple):
    """A profile that a batch needs and that is not written yet; `created_at` is in ISO 8601."""

    id: int
    public_id: UUID
    seen: Seen
    created_at: str


def strangers(links: Sequence[Link], places: Sequence[int], known: Collection[Key]) -> dict[int, Seen]:
    """Of the places of links, those of links that meet nobody, with when: none of their keys is `known` or in another.

    Each makes a person of its own, of whom nothing was said, and needs no group. Limits bind where a link has several
    keys of a kind: such a one is left to the groups.
    """
    n_links = Counter(key for n in places for key in links[n].keys)
    return {n: Seen(links[n][0], links[n][0]) for n in places if meets_nobody(links[n].keys, n_links, known)}


def meets_nobody(keys: Sequence[Key], n_links: Counter[Key], known: Collection[Key]) -> bool:
    for key in keys:
        if n_links[key] > 1 or key in known:
            return False
    return len(keys) == 1 or len({key.kind_id for key in keys}) == len(keys)


def make_profiles(times: Sequence[Seen]) -> list[Made]:
    """A profile for each of these, to be written once it is known what the batch says of it."""
    if not times:
        return []
    ids, created_at = draw_ids(Profile, len(times))
    # A call of the kernel for each would cost more than all the rest of a new person: 16 µs where calls are watched.
    noise = os.urandom(16 * len(times))
    return [
        Made(profile_id, UUID(bytes=noise[16 * n : 16 * n + 16], version=4), seen, created_at)
        for n, (profile_id, seen) in enumerate(zip(ids, times, strict=True))
    ]


def draw_ids(model: type[Model], n: int) -> tuple[list[int], str]:
    """`n` ids for new rows, ascending, and the time of the database in ISO 8601."""
    with connection.cursor() as cursor:
        # Materialized, or the sequence would be looked up for each.
        cursor.execute(
            """
            WITH sequence AS MATERIALIZED (SELECT pg_get_serial_sequence(%s, 'id')::regclass AS name)
            SELECT json_agg(drawn.id)::text, statement_timestamp()::text
            FROM (SELECT nextval(sequence.name) AS id FROM sequence, generate_series(1, %s)) AS drawn
            """,
            [model._meta.db_table, n],
        )
        ids, now = cursor.fetchone()
    return sorted(orjson.loads(ids)), now
