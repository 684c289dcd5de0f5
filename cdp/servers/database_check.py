"""What Strata needs of a PostgreSQL, checked before it is used: also of one that DATABASE_URL names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

OLDEST_VERSION = 150_000  # as `server_version_num` writes 15.0


@dataclass(frozen=True)
class Fault:
    """Something wrong with the database, and the way out."""

    id: str
    message: str
    hint: str


FACTS = """
SELECT current_setting('server_version_num')::int, current_setting('server_version'),
       current_setting('server_encoding'), lower('ÄÉ'),
       pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool,
       coalesce(has_schema_privilege(current_schema(), 'CREATE'), false), current_user
"""


def database_faults(alias: str = "default") -> list[Fault]:
    """Everything that is wrong with the database, at once; empty when it is fit."""
    # A connection of its own: the pool would try for 30 s, and not say why it got none.
    parameters = connections[alias].get_connection_params() | {"connect_timeout": 10}
    try:
        with psycopg.connect(**parameters) as connection:
            row = connection.execute(FACTS).fetchone()
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        return [
            Fault("E001", f"The database does not answer: {reason}", "Check DATABASE_URL, and that the server runs.")
        ]
    assert row is not None, "a SELECT without FROM answers with one row"
    number, version, encoding, lowered, is_read_only, may_create, role = row
    wrong = [
        (
            number < OLDEST_VERSION,
            "E002",
            f"PostgreSQL is {version}, and 15 is the oldest that works.",
            "Upgrade the server.",
        ),
        (
            encoding != "UTF8",
            "E003",
            f"The database is encoded in {encoding}, not in UTF8.",
            "Make a new one: CREATE DATABASE strata ENCODING 'UTF8' TEMPLATE template0.",
        ),
        (
            encoding == "UTF8" and lowered != "äé",
            "E004",
            "The database does not know letters beyond English: lower('ÄÉ') stays as it is.",
            "Make a new one with LOCALE 'C.UTF-8' (or another locale in UTF-8) TEMPLATE template0.",
        ),
        (is_read_only, "E005", "The database is read-only.", "Let DATABASE_URL name the primary server."),
        (
            not may_create,
            "E006",
            f"The role {role} may not create tables.",
            f"GRANT CREATE ON SCHEMA public TO {role}, or make it the owner of the database.",
        ),
    ]
    return [Fault(id, message, hint) for is_wrong, id, message, hint in wrong if is_wrong]


@register(Tags.database)
def check_database(
    *, app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None, **kwargs: Any
) -> list[CheckMessage]:
    """The same as a system check, which `migrate` runs first."""
    return [
        Error(fault.message, hint=fault.hint, id=f"strata.{fault.id}")
        for alias in databases or []
        for fault in database_faults(alias)
    ]
