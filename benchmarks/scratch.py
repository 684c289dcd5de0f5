"""Scratch databases beside the one of DATABASE_URL, which is not touched: migrated once, filled once, then copied."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection
from psycopg import sql

_templates: dict[Hashable, str] = {}
_serial = iter(range(1_000_000))


@contextmanager
def migrated() -> Iterator[None]:
    """Connected to a migrated, empty database, which is dropped in the end with all that were copied from it."""
    settings.DATABASES["default"]["TEST"]["NAME"] = f"bench_{os.getpid()}"
    own = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        yield
    finally:
        drop_templates()
        connection.creation.destroy_test_db(own, verbosity=0)


@contextmanager
def scratch(fill: Callable[[], None] | None = None, *, key: Hashable = None) -> Iterator[None]:
    """Connected to a copy of the database at hand, filled by `fill`; dropped at the end of the block.

    What was filled under one key is kept, and copied the next time: copying files takes a tenth of making the rows.
    """
    if fill is not None and key not in _templates:
        with copy_of(connection.settings_dict["NAME"], is_kept=True) as name:
            fill()
        _templates[key] = name
    with copy_of(_templates[key] if fill is not None else connection.settings_dict["NAME"]):
        yield


def drop_templates() -> None:
    for name in _templates.values():
        on_server("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
    _templates.clear()


@contextmanager
def copy_of(template: str, *, is_kept: bool = False) -> Iterator[str]:
    """Connected to a copy of `template`, whose name is yielded; afterwards to what was connected to before."""
    before = connection.settings_dict["NAME"]
    name = f"bench_{os.getpid()}_{next(_serial)}"
    connect_to(before)  # nobody may be connected to what is copied
    on_server("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, template)
    connect_to(name)
    try:
        yield name
    except BaseException:
        is_kept = False
        raise
    finally:
        connect_to(before)
        if not is_kept:
            on_server("DROP DATABASE {} WITH (FORCE)", name)


def connect_to(name: str) -> None:
    """From now on; open connections are closed."""
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name


def on_server(statement: str, *names: str) -> None:
    """A statement about whole databases, from beside them."""
    at: dict[str, Any] = connection.settings_dict
    with psycopg.connect(
        host=at["HOST"], port=at["PORT"], user=at["USER"], password=at["PASSWORD"], dbname="postgres", autocommit=True
    ) as server:
        server.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
