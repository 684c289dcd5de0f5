"""Debian's own PostgreSQL 15 and Redis: servers that are not ours, as an installation may bring them."""

from __future__ import annotations

import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from cdp.servers.child import Child, ending_with_parent
from cdp.servers.ports import free_port
from cdp.servers.postgres import unprivileged
from tests.needs import needed_program
from tests.stacks import SITE_PORTS, wait_for

POSTGRES_FOLDER = "/usr/lib/postgresql/15/bin"
REDIS = "/usr/bin/redis-server"


@dataclass(frozen=True)
class PlainServers:
    """Where they are; the database `strata` is empty and belongs to the role `strata`, who is no superuser."""

    password: str
    database_port: int
    broker_port: int


@contextmanager
def running_plain_servers(folder: Path) -> Iterator[PlainServers]:
    """Both servers on free loopback ports, with their data in this folder, for as long as the block."""
    initdb = needed_program(f"{POSTGRES_FOLDER}/initdb", package="postgresql-15", required_by="REQUIRE_SERVERS")
    redis_server = needed_program(REDIS, package="redis-server", required_by="REQUIRE_SERVERS")
    database_port = free_port(SITE_PORTS)
    servers = PlainServers(secrets.token_hex(16), database_port, free_port(SITE_PORTS, besides=[database_port]))
    children = [_postgres(folder, initdb, servers), _redis(folder, redis_server, servers)]
    try:
        wait_for(lambda: _database_is_made(servers), "PostgreSQL 15")
        wait_for(lambda: _broker_answers(servers), "Redis")
        yield servers
    finally:
        for child in children:
            child.ask_to_stop()
        for child in children:
            child.stop(30)


def _postgres(folder: Path, initdb: Path, servers: PlainServers) -> Child:
    data = folder / "postgres"
    data.mkdir(mode=0o700, parents=True)
    (folder / "password").write_text(servers.password)
    options = ["--username=postgres", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}", "--no-sync"]
    subprocess.run(
        [*unprivileged(), initdb, "-D", data, *options, "--encoding=UTF8", "--locale=C.UTF-8"],
        check=True,
        capture_output=True,
    )
    settings = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
    server = [str(initdb.with_name("postgres")), "-D", str(data), "-p", str(servers.database_port), *settings]
    command = [*unprivileged(), *ending_with_parent(server, signal.SIGINT)]
    return Child(command, log=folder / "postgres.log", stop_signal=signal.SIGINT, cwd=folder)


def _redis(folder: Path, program: Path, servers: PlainServers) -> Child:
    options = [
        "--port",
        str(servers.broker_port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--requirepass",
        servers.password,
    ]
    return Child(ending_with_parent([str(program), *options], signal.SIGTERM), log=folder / "redis.log", cwd=folder)


def _database_is_made(servers: PlainServers) -> bool:
    try:
        with psycopg.connect(
            host="127.0.0.1", port=servers.database_port, user="postgres", password=servers.password, autocommit=True
        ) as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'strata'").fetchone():
                connection.execute(f"CREATE ROLE strata LOGIN PASSWORD '{servers.password}'")
            connection.execute("CREATE DATABASE strata OWNER strata")  # fails while somebody looks at its template
    except psycopg.OperationalError:
        return False
    return True


def _broker_answers(servers: PlainServers) -> bool:
    try:
        with redis.Redis(port=servers.broker_port, password=servers.password) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
