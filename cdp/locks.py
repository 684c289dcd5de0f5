"""Locks, most of them advisory. Order everywhere: gates, identity, profiles by id, feed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import connection, models
from django.utils.translation import gettext as _
from psycopg import Connection

Row = TypeVar("Row", bound=models.Model)


def hold_rows(model: type[Row], ids: Collection[int]) -> dict[int, Row]:
    """Those that there are, by id: none is deleted until the open transaction ends, as foreign keys would have it.

    Who edits one of them with parts that may go (`lock_edited`, exclusive) waits until then.
    """
    table = model._meta.db_table
    held = model._default_manager.raw(
        f"SELECT * FROM {table} WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE",  # noqa: S608 - of our own table
        [list(ids)],
    )
    return {row.pk: row for row in held}


def lock_edited(edited: Row, changed: Collection[str] | None, *, is_exclusive: bool = False) -> Row | None:
    """Lock the row of what was edited, and return it as it is stored; None where it is new.

    Of `edited` only the `changed` fields stay: the others become what somebody else may have saved since it was read.
    None: all of it was edited. What refers to the row is written meanwhile; `is_exclusive`, for edits that delete parts
    of the thing, lets nothing be, and waits for those who `hold_rows`.

    Raises ValidationError where it was deleted meanwhile.
    """
    if edited.pk is None:
        return None
    stored = type(edited)._default_manager.select_for_update(no_key=not is_exclusive).filter(pk=edited.pk).first()
    if stored is None:
        raise deleted_meanwhile(edited)
    if changed is not None:
        for field in edited._meta.concrete_fields:
            if field.name not in changed:
                setattr(edited, field.attname, getattr(stored, field.attname))
    return stored


def deleted_meanwhile(thing: object) -> ValidationError:
    """To be raised where what is to be saved is there no more: saved all the same, it would be made again."""
    return ValidationError(_("“%(thing)s” was deleted meanwhile.") % {"thing": thing})


def lock_key(name: str, subject: str | int = "") -> int:
    """A signed 64-bit key for PostgreSQL, the same in every process."""
    digest = hashlib.blake2b(f"{name}:{subject}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def advisory_lock(name: str, subject: str | int = "") -> None:
    """Take an exclusive lock until the end of the open transaction, waiting for it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock_key(name, subject)])


def shared_lock(name: str, subject: str | int = "") -> None:
    """Take a lock that others may share until the end of the open transaction; who wants it alone waits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [lock_key(name, subject)])


def try_exclusive_lock(name: str, subject: str | int = "") -> bool:
    """Take an exclusive lock until the end of the open transaction, or say at once that it is taken."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [lock_key(name, subject)])
        return bool(cursor.fetchone()[0])


@contextmanager
def own_session() -> Iterator[Connection[Any]]:
    """A database session outside the pool, in autocommit; the locks it takes are gone when it closes or dies."""
    params = connection.get_connection_params()
    session: Connection[Any] = Connection.connect(**params, autocommit=True)
    with closing(session):
        yield session


@contextmanager
def session_lock(name: str, subject: str | int = "", *, wait: bool) -> Iterator[bool]:
    """Hold an exclusive lock on a session of its own for as long as the block runs, over any number of transactions.

    Yields whether it is held; without `wait`, False where somebody else has it.
    """
    key = lock_key(name, subject)
    with own_session() as session:
        if wait:
            session.execute("SELECT pg_advisory_lock(%s)", [key])
            is_held = True
        else:
            row = session.execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone()
            is_held = bool(row and row[0])
        try:
            yield is_held
        finally:
            if is_held and not session.broken:  # closing alone frees it a moment later
                session.execute("SELECT pg_advisory_unlock(%s)", [key])


def held_subjects(name: str, subjects: Iterable[int]) -> set[int]:
    """Those subjects whose lock somebody holds at this moment, exclusively or shared."""
    keys = {lock_key(name, subject): subject for subject in subjects}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT wanted.key
            FROM unnest(%s::bigint[]) AS wanted (key)
            JOIN pg_locks AS held
              ON held.locktype = 'advisory'
             AND held.objsubid = 1
             AND held.granted
             AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND held.classid = ((wanted.key >> 32) & 4294967295)::oid
             AND held.objid = (wanted.key & 4294967295)::oid
            """,
            [list(keys)],
        )
        return {keys[key] for (key,) in cursor.fetchall()}
