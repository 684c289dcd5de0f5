"""A message sent twice is one: its first copy fixes everything."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import orjson
from django.db import connection

from cdp.copy import begun


def known_keys(keys: Iterable[str]) -> set[str]:
    """Those of the message keys (32 hexadecimal digits) that were written before."""
    with connection.cursor() as cursor:
        # As one text: Django and psycopg take 20 µs to hand on a list of UUIDs, for each of them.
        cursor.execute(
            """
            SELECT encode(uuid_send(key), 'hex') FROM profiles_messagekey
            WHERE key = ANY(ARRAY(SELECT json_array_elements_text(%s)::uuid))
            """,
            [orjson.dumps(list(keys)).decode()],
        )
        return {key for (key,) in cursor.fetchall()}


def claim_keys(keys: Iterable[str], *, import_id: int | None = None) -> Callable[[], set[str]]:
    """Write the message keys (32 hexadecimal digits) that are new; what is returned waits for that, and tells these.
    `import_id` is what brought them.

    In sorted order, so that two workers cannot deadlock.
    A key that another open transaction has just written is waited for.
    """
    claimed = begun(
        """
        INSERT INTO profiles_messagekey (key, import_id) SELECT json_array_elements_text(%s)::uuid, %s
        ON CONFLICT DO NOTHING RETURNING encode(uuid_send(key), 'hex')
        """,
        [orjson.dumps(sorted(set(keys))).decode(), import_id],
    )
    return lambda: {key for (key,) in claimed()}
