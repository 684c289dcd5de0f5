"""Advisory locks. Order everywhere: gates, identity, profiles by id, feed."""

from __future__ import annotations

import hashlib

from django.db import connection


def lock_key(name: str, subject: str | int = "") -> int:
    """A signed 64-bit key for PostgreSQL, the same in every process."""
    digest = hashlib.blake2b(f"{name}:{subject}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def advisory_lock(name: str, subject: str | int = "") -> None:
    """Take an exclusive lock until the end of the open transaction, waiting for it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock_key(name, subject)])


def try_shared_lock(name: str, subject: str | int = "") -> bool:
    """Take a shared lock until the end of the open transaction, or say at once that somebody holds it exclusively."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock_shared(%s)", [lock_key(name, subject)])
        return bool(cursor.fetchone()[0])


def try_exclusive_lock(name: str, subject: str | int = "") -> bool:
    """Take an exclusive lock until the end of the open transaction, or say at once that it is taken."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [lock_key(name, subject)])
        return bool(cursor.fetchone()[0])
