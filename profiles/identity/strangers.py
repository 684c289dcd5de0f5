"""People whom a batch makes: of most of those that a file brings, one link speaks, and names nobody known."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import NamedTuple

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
    """A profile that a batch needs and that is not written yet; `public_id` is the 32 hexadecimal digits of a UUID,
    `created_at` in ISO 8601.
    """

    id: int
    public_id: str
    seen: Seen
    created_at: str


def strangers(links: Sequence[Link], places: Sequence[int], known: Collection[Key]) -> dict[int, Seen]:
    """Of the places of links, those of links that meet nobody, with when: none of their keys is `known` or in another.

    Each makes a person of its own, of whom nothing was said, and needs no group. Limits bind where a link has several
    keys of a kind: such a one is left to the groups.
    """
    n_links = Counter(chain.from_iterable(links[n].keys for n in places))
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
    return [
        Made(profile_id, public_id, seen, created_at)
        for profile_id, public_id, seen in zip(ids, random_uuids(len(times)), times, strict=True)
    ]


def random_uuids(n: int) -> Iterator[str]:
    """`n` random UUIDs (version 4), as 32 hexadecimal digits: those of the standard library take ten times as long."""
    # A call of the kernel for each would cost more than all the rest of a new person: 16 µs where calls are watched.
    noise = os.urandom(16 * n).hex()
    for start in range(0, len(noise), 32):
        variant = "89ab"[int(noise[start + 16], 16) & 3]
        yield f"{noise[start : start + 12]}4{noise[start + 13 : start + 16]}{variant}{noise[start + 17 : start + 32]}"


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
