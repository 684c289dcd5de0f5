"""What became of the messages, counted by source and day."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from django.db import connection
from django.utils import timezone
from psycopg import sql

from profiles.models.source import COUNTERS, SourceDay

Tally = Counter[tuple[int, str]]  # by source id and name of the counter


def write_tally(tally: Tally, *, now: datetime) -> None:
    """Add to the counters of the business day of `now`, in one statement.

    To be called last in a transaction: a batch that takes the identity lock afterwards could deadlock with another.
    """
    source_ids = sorted({source_id for source_id, _name in tally})
    if not source_ids:
        return
    statement = sql.SQL(
        """
        INSERT INTO {table} AS known (source_id, day, last_message_at, {names})
        SELECT source_id, %s, CASE WHEN n_messages > 0 THEN %s END, {names}
        FROM unnest(%s::bigint[], {arrays}) AS counted(source_id, {names})
        ON CONFLICT (source_id, day) DO UPDATE SET
            last_message_at = greatest(known.last_message_at, EXCLUDED.last_message_at),
            {sums}
        """
    ).format(
        table=sql.Identifier(SourceDay._meta.db_table),
        names=sql.SQL(", ").join(map(sql.Identifier, COUNTERS)),
        arrays=sql.SQL(", ").join([sql.SQL("%s::bigint[]")] * len(COUNTERS)),
        sums=sql.SQL(", ").join(
            sql.SQL("{name} = known.{name} + EXCLUDED.{name}").format(name=sql.Identifier(name)) for name in COUNTERS
        ),
    )
    columns = [[tally[source_id, name] for source_id in source_ids] for name in COUNTERS]
    day = timezone.localtime(now, timezone.get_default_timezone()).date()
    with connection.cursor() as cursor:
        cursor.execute(statement, [day, now, source_ids, *columns])
