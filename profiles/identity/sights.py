"""When people were last seen, in a table of their own; who writes it holds the identity lock."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import orjson
from django.db import connection

from cdp.copy import begun
from cdp.rows import rows_as_json


def read_last_sights(ids: Collection[int]) -> dict[int, datetime]:
    """When profiles were last seen, as it stands."""
    if not ids:
        return {}
    with connection.cursor() as cursor:
        # In the order of the index, which is gone through once then: a third faster.
        cursor.execute(
            """
            SELECT profile_id, at::text FROM profiles_lastsight
            WHERE profile_id = ANY(ARRAY(SELECT json_array_elements_text(%s)::bigint))
            """,
            [orjson.dumps(sorted(ids)).decode()],
        )
        return {pk: datetime.fromisoformat(at) for pk, at in cursor.fetchall()}


def write_last_sights(seen: Mapping[int, datetime]) -> None:
    """Note that profiles, by id, were seen later than was known."""
    if not seen:
        return
    begun(
        """
        UPDATE profiles_lastsight AS sight SET at = said.at
        FROM json_to_recordset(%s) AS said(id bigint, at timestamptz)
        WHERE sight.profile_id = said.id
        """,
        [rows_as_json({"id": pk, "at": at} for pk, at in sorted(seen.items()))],  # as they lie: a third faster
    )
