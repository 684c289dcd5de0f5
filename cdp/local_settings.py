"""Session settings for one transaction. The pool hands sessions on as they are, so nothing else may SET."""

from __future__ import annotations

from django.db import connection

HEAVY_WORK_MEM = "256MB"  # full refresh and preview


def set_local(**values: str) -> None:
    """SET LOCAL each setting, such as `work_mem="256MB"` or `statement_timeout="5s"`, in the open transaction."""
    with connection.cursor() as cursor:
        for name, value in values.items():
            cursor.execute("SELECT set_config(%s, %s, true)", [name, value])
