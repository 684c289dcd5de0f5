"""Importing files: members who are new, their orders, and the same file again; reading and counting apart."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from io import StringIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from django.core.files.base import ContentFile
from django.db import connection, models, transaction
from django.utils import timezone
from psycopg import sql

from benchmarks.figure import Figure, Memory, Sizes, Stopwatch, benchmark, compared, stopwatch
from cdp.models import Run
from cdp.runs import execute_run
from profiles import tasks  # noqa: F401 - registers the work of runs
from profiles.imports.readers import Reading, count_rows
from profiles.models import (
    Contribution,
    Event,
    Identifier,
    IdentityLink,
    Import,
    MessageKey,
    Profile,
    ProfileChange,
    Source,
)
from profiles.services.imports import create_import, queue_import

# In the order of their foreign keys.
WRITTEN: list[type[models.Model]] = [
    Profile, Identifier, IdentityLink, Contribution, Event, MessageKey, ProfileChange,
]  # fmt: skip
BLOCK = 1_000_000  # bytes
TRIES = 2  # of which the best counts: other programs disturb
MEMBERS: dict[str, Any] = {
    "identifiers": {"卡号": "member_card", "手机号": "phone"},
    "traits": {"姓名": "name", "城市": "city"},
    "time": "更新时间",
}
ORDERS: dict[str, Any] = {
    "identifiers": {"卡号": "member_card"},
    "event": "Order Completed",
    "message_id": ["订单号"],
    "properties": {"订单号": "order_id"},
    "value": {"column": "金额", "key": "total"},
    "time": "下单时间",
}


@benchmark("imports")
def imports(sizes: Sizes) -> Iterator[Figure | Memory]:
    source = Source.objects.create(key="bench", name="Bench")
    before = peak_mb()
    members = store(member_rows(sizes.messages), MEMBERS, source)
    with stopwatch() as reading:
        count_rows(Path(members.file.path), Reading("csv"))
    tried = carry_out(store(member_rows(sizes.messages), MEMBERS, source), dry_run=True)
    written = carry_out(members)
    floor = copy_again()
    for n in range(1, TRIES):
        others = store(member_rows(sizes.messages, first=n * sizes.messages), MEMBERS, source)
        written = min(written, carry_out(others), key=lambda watch: watch.seconds)
    yield compared("import_members", sizes.messages, "rows", written, "the rows that were written, by COPY", floor)
    yield compared("import_read", sizes.messages, "rows", reading, "the same", floor)
    yield compared("import_dry_run", sizes.messages, "rows", tried, "the same", floor)
    again = carry_out(store(member_rows(sizes.messages), MEMBERS, source))
    yield compared("import_members_again", sizes.messages, "rows", again, "the same", floor)
    known = Event.objects.count()
    orders = min(
        (carry_out(store(order_rows(sizes.messages, of=n * sizes.messages), ORDERS, source)) for n in range(TRIES)),
        key=lambda watch: watch.seconds,
    )
    assert Event.objects.count() == known + TRIES * sizes.messages
    yield compared("import_orders", sizes.messages, "rows", orders, "the rows of the members, by COPY", floor)
    yield Memory("import_memory", sizes.messages, "rows", peak_mb(), "before the first import", before)


def store(text: str, mapping: dict[str, Any], source: Source) -> Import:
    content = ContentFile(text.encode())
    return create_import(content, name="bench.csv", source=source, mapping=mapping, now=timezone.now())


def carry_out(import_: Import, *, dry_run: bool = False) -> Stopwatch:
    """The time of the import, which reads, unifies and writes; or of counting what it would do."""
    run = queue_import(import_, user=None, dry_run=dry_run)
    with stopwatch() as watch:
        execute_run(run.pk, now=timezone.now())
    run.refresh_from_db()
    assert run.state == Run.State.SUCCEEDED, run.error
    import_.file.delete(save=False)
    return watch


def member_rows(n_rows: int, *, first: int = 0) -> str:
    lines = StringIO()
    lines.write("卡号,手机号,姓名,城市,更新时间\n")
    for n in range(first, first + n_rows):
        lines.write(f"VIP{n:08d},1{3 + n % 7}{n:09d},会员{n},城市{n % 99},2026-01-{1 + n % 28:02d} 10:{n % 60:02d}\n")
    return lines.getvalue()


def order_rows(n_rows: int, *, of: int = 0) -> str:
    """Of members each once, from the one on with the number `of`."""
    lines = StringIO()
    lines.write("订单号,卡号,金额,下单时间\n")
    for n in range(n_rows):
        lines.write(
            f"R{of + n},VIP{of + n * 7919 % n_rows:08d},{n % 500}.50,2026-02-{1 + n % 28:02d} 10:{n % 60:02d}\n"
        )
    return lines.getvalue()


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def copy_again() -> Stopwatch:
    """Take the written rows out, empty their tables, and COPY them back with all indexes and checks: its time."""
    names = [model._meta.db_table for model in WRITTEN]
    with ExitStack() as files, connection.cursor() as cursor:
        kept = {}
        for name in names:
            kept[name] = files.enter_context(TemporaryFile())  # in memory they would count as what the import takes
            select = sql.SQL("COPY (SELECT * FROM {}) TO STDOUT (FORMAT binary)").format(sql.Identifier(name))
            with cursor.copy(select) as rows:
                kept[name].writelines(rows)
            kept[name].seek(0)
        cursor.execute(f"TRUNCATE {', '.join(names)} CASCADE")
        with stopwatch() as watch, transaction.atomic():
            for name in names:
                statement = sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(sql.Identifier(name))
                with cursor.copy(statement) as rows:
                    for block in iter(partial(kept[name].read, BLOCK), b""):
                        rows.write(block)
        return watch
