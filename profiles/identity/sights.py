"""When people were last seen, in a table of their own; who writes it holds the identity lock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from cdp.copy import begun
from cdp.rows import rows_as_json


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
        [rows_as_json({"id": pk, "at": at} for pk, at in seen.items())],
    )
