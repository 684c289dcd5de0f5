"""Refresh by change: judge those of whom something changed, at a cost proportional to that."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from django.db import connection, transaction

from cdp.local_settings import set_local
from cdp.rules.causes import Cause
from cdp.rules.holders import Holder, Move, Record
from profiles.models import ProfileChange
from profiles.refresh.edits import edits_under_way, not_judged_yet
from profiles.refresh.engine import RULE_FAILURES, Asked, Now, RuleTooSlow, differences, moment
from profiles.refresh.gates import passage
from profiles.refresh.graph import MERGE, SPLIT, TIME, Graph
from profiles.refresh.inheritance import Since, inherited, settle, with_since
from profiles.refresh.pending import merged_or_split
from profiles.refresh.people import lock_profiles, survivors_of
from profiles.refresh.slow import leave_to_full_refresh, slow_holders

logger = logging.getLogger(__name__)

BATCH = 500  # rows, so at most as many profiles are locked at a time
CAUSES = {
    MERGE: Cause.MERGE,
    SPLIT: Cause.SPLIT,
    TIME: Cause.TIME,
}  # by topic; what others bring about is the person's own doing
WEIGHTS = {MERGE: 2, SPLIT: 2, TIME: 0}  # of reasons, by topic; 1 for others
TOPICS = {cause: topic for topic, cause in CAUSES.items()}
# Of people who just did something, most of what is read lies in memory. With the default of 4 the planner rather reads
# all events of a rule's window, of whomever, than look up 500 people: that grows with the number of profiles.
OF_WHAT_IS_IN_MEMORY = "1.1"
PUT_BACK_FOR = timedelta(seconds=5)  # a full refresh of a million profiles takes about that long


class Taken(NamedTuple):
    """A row of the queue; `holder` is "" where it concerns all that depend on its topic."""

    profile_id: int
    topic: str
    lane: int
    holder: str


@dataclass
class Batch:
    """What is to be judged: by holder key, the profiles and the row because of which each is.

    `needed` are judged along, that those concerned may rely on them: their own rows may be in the hands of another
    worker, and somebody who is judged by what is no longer so would enter or leave for a moment.
    """

    concerned: dict[str, dict[int, Taken]] = field(default_factory=lambda: defaultdict(dict))
    needed: dict[str, dict[int, Taken]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, holder_key: str, row: Taken, *, is_needed: bool = False) -> None:
        """A merge or a split is the stronger reason: what it brings about is not the person's own doing. Time alone is
        the weaker.
        """
        rows = (self.needed if is_needed else self.concerned)[holder_key]
        known = rows.get(row.profile_id)
        if known is None or WEIGHTS.get(row.topic, 1) > WEIGHTS.get(known.topic, 1):
            rows[row.profile_id] = row

    def because_of(self, topics: Mapping[tuple[int, str], str]) -> None:
        """Whoever is judged was merged or split, of which a row that others may have in hand tells: its topic, by
        profile and by holder or "" for all.
        """
        for of_holders in (self.concerned, self.needed):
            for key, rows in of_holders.items():
                for profile_id, row in rows.items():
                    topic = topics.get((profile_id, key)) or topics.get((profile_id, ""))
                    if topic and row.topic not in (MERGE, SPLIT):
                        rows[profile_id] = row._replace(topic=topic)

    def profile_ids(self) -> list[int]:
        return sorted({pk for rows in self.concerned.values() for pk in rows})


def refresh_changes(*, now: Now, limit: int = BATCH) -> int:
    """Take at most `limit` rows that are due off the queue and judge their profiles; returns how many were taken.

    All in one transaction: a crash leaves the rows for the next. Several workers may do this side by side.
    """
    with passage() as passing, transaction.atomic(durable=True):
        rows = take_rows(due_at=moment(now), limit=limit)
        if not rows:
            return 0
        set_local(random_page_cost=OF_WHAT_IS_IN_MEMORY, jit="off")
        graph = Graph.load()
        batch = batch_of(rows, graph, survivors=survivors_of({row.profile_id for row in rows}))
        open_keys = passing.try_gates(graph.downstream([*batch.concerned, *batch.needed]))
        edited = not_judged_yet(edits_under_way(), graph)  # read after the rules, and behind the gates
        locked = set(lock_profiles(batch.profile_ids()))
        batch.because_of(merged_or_split(sorted(locked)))
        judge(batch, graph, open_keys, edited=edited, locked=locked, now=moment(now))
    return len(rows)


def take_rows(*, due_at: datetime, limit: int) -> list[Taken]:
    """Delete and return the rows that are due; those in the hands of another worker are passed over."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM profiles_profilechange
            WHERE id = ANY (ARRAY(
                SELECT id
                FROM profiles_profilechange
                WHERE due_at <= %s
                ORDER BY lane, id
                LIMIT %s
                FOR UPDATE SKIP LOCKED
            ))
            RETURNING profile_id, topic, lane, holder
            """,
            [due_at, limit],
        )
        return [Taken(*row) for row in cursor.fetchall()]


def batch_of(rows: Iterable[Taken], graph: Graph, *, survivors: Mapping[int, int]) -> Batch:
    """Sort the rows by the holders that they concern. Profiles and holders that are gone have no further."""
    batch = Batch()
    keys_of: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for row in rows:
        if row.profile_id not in survivors:
            continue
        if (row.topic, row.holder) not in keys_of:
            concerned = graph.concerned(row.topic) if not row.holder else list({row.holder} & graph.holders.keys())
            keys_of[row.topic, row.holder] = concerned, graph.needed(concerned)
        concerned, needed = keys_of[row.topic, row.holder]
        resolved = row._replace(profile_id=survivors[row.profile_id])
        for key in concerned:
            batch.add(key, resolved)
        for key in needed:
            batch.add(key, resolved, is_needed=True)
    return batch


def judge(
    batch: Batch, graph: Graph, open_keys: set[str], *, edited: set[str], locked: set[int], now: datetime
) -> None:
    """Judge holder by holder in order; whoever moves is judged by the dependents too. Feeds are written last.

    Of a holder that is being refreshed in full, and of what speaks of it, the rows are put back: by what it says
    meanwhile somebody might enter or leave for a moment. Where rules are new, and not everybody was judged by them yet,
    people move because of the edit, whatever they do meanwhile. Profiles that are not in `locked` were merged
    meanwhile: the merge has put a row of its own on the queue.
    """
    moved: list[Record] = []
    failed: list[tuple[Holder, Exception]] = []
    put_back: list[ProfileChange] = []
    slow = slow_holders()
    since = inherited(sorted(locked))
    judged = [(key, profile_id) for key, profile_id, _outcome in since if key not in graph.holders]
    closed = set(graph.downstream(set(graph.downstream([*batch.concerned, *batch.needed])) - open_keys))
    for wave in graph.waves():
        concerned: dict[str, dict[int, Taken]] = {}
        for holder in wave:
            rows = {pk: row for pk, row in batch.concerned[holder.key].items() if pk in locked}
            if holder.key in closed:
                put_back += [row_for(holder, row, now=now) for row in rows.values()]
                continue
            if holder.key in slow:
                continue  # all that changes is left to the full refresh that it waits for, and that has not begun
            rows = {pk: row for pk, row in batch.needed[holder.key].items() if pk in locked} | rows
            if rows:
                concerned[holder.key] = rows
        asked = [Asked(graph.holders[key], tuple(sorted(rows))) for key, rows in concerned.items()]
        for key, found in differences(asked, now=now).items():
            holder, rows = graph.holders[key], concerned[key]
            try:
                moves = write_moves(holder, found, rows, since, is_edited=key in edited, now=now)
            except RULE_FAILURES as error:
                failed.append((holder, error))
                continue
            judged += [(holder.key, profile_id) for profile_id in rows]
            moved += [Record(holder, caused, cause) for cause, caused in moves.items()]
            dependents = graph.concerned(key)
            for cause, caused in moves.items() if dependents else ():
                for move in caused:
                    topic = TOPICS.get(cause, holder.key)
                    row = rows[move.profile_id]._replace(topic=topic, holder="")
                    for dependent in dependents:
                        batch.add(dependent, row)
    settle(judged, since)
    ProfileChange.objects.bulk_create(put_back)
    moved.sort(key=lambda record: record.holder.key)  # so all of a kind follow each other
    for kind, records in groupby(moved, key=lambda record: type(record.holder)):
        kind.record_together(list(records), now=now)
    for holder, failure in failed:
        logger.error("the rules of %s fail: %s", holder.key, failure)
        if isinstance(failure, RuleTooSlow):
            leave_to_full_refresh(holder, failure, cause=Cause.DATA, now=now)
        else:
            holder.finished(now=now, error=str(failure))


def write_moves(
    holder: Holder,
    found: list[Move] | Exception,
    rows: Mapping[int, Taken],
    since: Since,
    *,
    is_edited: bool,
    now: datetime,
) -> dict[Cause, list[Move]]:
    """Write who moved of the profiles of `rows`; returns the moves by cause.

    Raises one of RULE_FAILURES, also the one that was found instead.
    """
    if isinstance(found, Exception):
        raise found
    moves: dict[Cause, list[Move]] = defaultdict(list)
    for move in with_since(holder, found, since):
        cause = Cause.RULE if is_edited else CAUSES.get(rows[move.profile_id].topic, Cause.DATA)
        moves[cause].append(move)
    if moves:
        with transaction.atomic():
            for cause, caused in moves.items():
                holder.apply(caused, cause=cause, now=now)
    return moves


def row_for(holder: Holder, row: Taken, *, now: datetime) -> ProfileChange:
    """The row again, for one holder that is being refreshed in full."""
    return ProfileChange(
        profile_id=row.profile_id, topic=row.topic, lane=row.lane, due_at=now + PUT_BACK_FOR, holder=holder.key
    )
