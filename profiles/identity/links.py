"""Who said that two identifiers are one person, and where a limit or a separation kept two apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from django.db import connection

from cdp.copy import as_texts, copy_lines, time_as_text
from cdp.rows import rows_as_json
from profiles.identity.groups import Key, Link
from profiles.models import IdentityConflict, IdentityLink

COUNTED = (
    "anchor_id", "left_out_id", "reason", "kind_id", "source_id", "message_id", "n_messages", "first_at", "last_at",
)  # fmt: skip
Pair = tuple[int, int, int]  # ids of two identifiers, the smaller first, and of the source that ties them


class Conflict(NamedTuple):
    """A key that its message's first identifier could not take in, and the kind whose limit forbade it, or None."""

    link: Link
    left_out: Key
    kind_id: int | None

    @property
    def reason(self) -> IdentityConflict.Reason:
        return IdentityConflict.Reason.SEPARATION if self.kind_id is None else IdentityConflict.Reason.LIMIT


def write_links(
    kept: Iterable[tuple[Link, Sequence[Key]]],
    ids: Mapping[Key, int],
    *,
    untold: Mapping[Pair, Link],
    new_ids: Collection[int],
) -> None:
    """Tie each kept key to its message's first, and the pairs that are `untold`; of all messages of a source that say
    the same, the first is kept.

    `new_ids` are those of the identifiers that the batch made, of which nothing was said before.
    """
    first = first_sayings(kept, ids, untold)
    known = {pair: link for pair, link in first.items() if pair[0] not in new_ids and pair[1] not in new_ids}
    if len(known) < len(first):
        insert_links({pair: link for pair, link in first.items() if pair not in known})
    if known:
        upsert_links(known)


def first_sayings(
    kept: Iterable[tuple[Link, Sequence[Key]]],
    ids: Mapping[Key, int],
    others: Mapping[Pair, Link] = MappingProxyType({}),
) -> dict[Pair, Link]:
    """The first link that ties each pair, `others` among them."""
    first = dict(others)
    for link, keys in kept:
        for key in keys[1:]:
            left, right = ids[keys[0]], ids[key]
            pair = (left, right, link.source_id) if left < right else (right, left, link.source_id)
            if pair not in first or link[:2] < first[pair][:2]:
                first[pair] = link
    return first


def untold(sayings: Mapping[Pair, Link]) -> dict[Pair, Link]:
    """Those that say what nobody has said earlier. Most are known, which their index alone tells: no row is read."""
    if not sayings:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT said.left_id, said.right_id, said.source_id
            FROM json_to_recordset(%s)
                AS said(left_id bigint, right_id bigint, source_id bigint, occurred_at timestamptz)
            LEFT JOIN profiles_identitylink AS known USING (left_id, right_id, source_id)
            WHERE known.left_id IS NULL OR said.occurred_at <= known.occurred_at
            """,
            [
                rows_as_json(
                    {"left_id": left, "right_id": right, "source_id": source, "occurred_at": link.occurred_at}
                    for (left, right, source), link in sayings.items()
                )
            ],
        )
        return {pair: sayings[pair] for pair in cursor.fetchall()}


def insert_links(links: Mapping[Pair, Link]) -> None:
    message_ids = as_texts(link.message_id for link in links.values())
    copy_lines(
        IdentityLink._meta.db_table,
        ["left_id", "right_id", "source_id", "message_id", "occurred_at"],
        (
            f"{left}\t{right}\t{source}\t{message_id}\t{time_as_text(link.occurred_at)}"
            for ((left, right, source), link), message_id in zip(links.items(), message_ids, strict=True)
        ),
    )


def upsert_links(links: Mapping[Pair, Link]) -> None:
    """Most are known from an earlier time, which their index alone tells: their rows are not read."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_identitylink AS link (left_id, right_id, source_id, message_id, occurred_at)
            SELECT said.*
            FROM json_to_recordset(%s)
                AS said(left_id bigint, right_id bigint, source_id bigint, message_id text, occurred_at timestamptz)
            LEFT JOIN profiles_identitylink AS known USING (left_id, right_id, source_id)
            WHERE known.left_id IS NULL OR said.occurred_at <= known.occurred_at
            ON CONFLICT (left_id, right_id, source_id)
            DO UPDATE SET message_id = EXCLUDED.message_id, occurred_at = EXCLUDED.occurred_at
            WHERE (EXCLUDED.occurred_at, EXCLUDED.message_id COLLATE "C")
                < (link.occurred_at, link.message_id COLLATE "C")
            """,
            [
                rows_as_json(
                    {
                        "left_id": left,
                        "right_id": right,
                        "source_id": source,
                        "message_id": link.message_id,
                        "occurred_at": link.occurred_at,
                    }
                    for (left, right, source), link in links.items()
                )
            ],
        )


def write_conflicts(conflicts: Sequence[Conflict], ids: Mapping[Key, int]) -> None:
    """One row a pair and reason, counted; the latest message is named. One that was settled is open again."""
    rows: dict[tuple[int, int, str], IdentityConflict] = {}
    for conflict in sorted(conflicts, key=lambda conflict: conflict.link[:3]):
        link = conflict.link
        slot = (ids[link.keys[0]], ids[conflict.left_out], conflict.reason)
        row = rows.setdefault(
            slot,
            IdentityConflict(
                anchor_id=slot[0],
                left_out_id=slot[1],
                reason=conflict.reason,
                kind_id=conflict.kind_id,
                n_messages=0,
                first_at=link.occurred_at,
            ),
        )
        row.n_messages += 1
        row.source_id, row.message_id, row.last_at = link.source_id, link.message_id, link.occurred_at
    if rows:
        upsert_conflicts(list(rows.values()))


def upsert_conflicts(conflicts: Sequence[IdentityConflict]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_identityconflict AS known
                (anchor_id, left_out_id, reason, kind_id, source_id, message_id, n_messages, first_at, last_at)
            SELECT * FROM json_to_recordset(%s) AS found(
                anchor_id bigint, left_out_id bigint, reason text, kind_id bigint, source_id bigint, message_id text,
                n_messages integer, first_at timestamptz, last_at timestamptz
            )
            ON CONFLICT (anchor_id, left_out_id, reason) DO UPDATE SET
                n_messages = known.n_messages + EXCLUDED.n_messages,
                first_at = least(known.first_at, EXCLUDED.first_at),
                last_at = greatest(known.last_at, EXCLUDED.last_at),
                kind_id = EXCLUDED.kind_id,
                state = CASE known.state WHEN 'settled' THEN 'open' ELSE known.state END,
                (source_id, message_id) = (
                    SELECT latest.source_id, latest.message_id
                    FROM (VALUES
                        (known.last_at, known.source_id, known.message_id),
                        (EXCLUDED.last_at, EXCLUDED.source_id, EXCLUDED.message_id)
                    ) AS latest(at, source_id, message_id)
                    ORDER BY latest.at DESC LIMIT 1
                )
            """,
            [rows_as_json({name: getattr(conflict, name) for name in COUNTED} for conflict in conflicts)],
        )
