"""Many rows as one parameter: `FROM json_to_recordset(%s) AS said(id bigint, at timestamptz)`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson


def rows_as_json(rows: Iterable[Mapping[str, Any]]) -> str:
    """The rows by column name; times, UUIDs and nested JSON values as they are.

    Lists would do as `unnest(%s::bigint[], …)`, but psycopg writes those item by item in Python: 7 µs a row of three
    columns, where this takes 0.5.
    """
    return orjson.dumps(list(rows)).decode()
