"""The embedded servers of one data folder, running for as long as a block."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cdp.servers.data_dir import held
from cdp.servers.ports import free_port, is_free
from cdp.servers.postgres import STOP_SECONDS as POSTGRES_STOP_SECONDS
from cdp.servers.postgres import Postgres
from cdp.servers.stack_file import StackFile, port_of, with_port
from cdp.servers.supervisor import Say, Service, Supervisor, ignore_signals, say_to_stderr, stopping_in_order
from cdp.servers.valkey import STOP_SECONDS as VALKEY_STOP_SECONDS
from cdp.servers.valkey import Valkey

READY_SECONDS = 120


@contextmanager
def running_servers(folder: Path, *, say: Say = say_to_stderr, is_throwaway: bool = False) -> Iterator[None]:
    """Hold the data folder, and start in it the servers that DATABASE_URL and BROKER_URL do not name.

    Ready when the block begins, restarted when they die, stopped at its end, also by Ctrl-C, SIGTERM and SIGHUP.
    `stack.env` in the folder tells where they are. Throw-away servers do not sync to disk: for tests.

    Raises:
        StackError: in one line why not, and the way out.
    """
    os.umask(0o077)  # logs, outbox and files hold what is nobody else's business
    embeds_database, embeds_broker = not os.environ.get("DATABASE_URL"), not os.environ.get("BROKER_URL")
    with stopping_in_order(), held(folder), Supervisor(say) as supervisor:
        try:
            if embeds_database or embeds_broker:
                stack_file = StackFile.load(folder) or StackFile.make()
                stack_file.save(folder)
                # Whatever a killed stack left behind ends first: it holds the ports.
                if embeds_database:
                    Postgres(folder, stack_file.database_url).prepare()
                if embeds_broker:
                    Valkey(folder, stack_file.broker_url).end_leftover()
                stack_file = _on_free_ports(stack_file)
                stack_file.save(folder)
                if embeds_database:
                    start_postgres(supervisor, Postgres(folder, stack_file.database_url, is_throwaway=is_throwaway))
                if embeds_broker:
                    start_valkey(supervisor, Valkey(folder, stack_file.broker_url))
            yield
        finally:
            ignore_signals()


def _on_free_ports(stack_file: StackFile) -> StackFile:
    """The kept ports, or others where something else has taken them meanwhile; never one for both."""
    database_url, broker_url = stack_file.database_url, stack_file.broker_url
    if not is_free(port_of(database_url)):
        database_url = with_port(database_url, free_port(besides=[port_of(broker_url)]))
    if port_of(broker_url) == port_of(database_url) or not is_free(port_of(broker_url)):
        broker_url = with_port(broker_url, free_port(besides=[port_of(database_url)]))
    return StackFile(stack_file.secret_key, database_url, broker_url)


def start_postgres(supervisor: Supervisor, server: Postgres) -> None:
    """Start it, and wait for as long as it replays its log."""
    service = Service(server.name, server.start, server.log, POSTGRES_STOP_SECONDS)
    supervisor.start(service)
    supervisor.wait_until(server.is_ready, service, seconds=READY_SECONDS, is_at_work=server.is_replaying)


def start_valkey(supervisor: Supervisor, server: Valkey) -> None:
    service = Service(server.name, server.start, server.log, VALKEY_STOP_SECONDS)
    supervisor.start(service)
    supervisor.wait_until(server.is_ready, service, seconds=READY_SECONDS)
