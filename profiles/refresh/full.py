"""Refresh in full: everybody is judged by one holder, then by all that depend on it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from cdp.local_settings import HEAVY_WORK_MEM, set_local
from cdp.models import Run
from cdp.rules.causes import Cause
from cdp.rules.holders import Holder, Move, holder_of
from cdp.rules.scope import EVERYBODY, Scope
from cdp.runs import advance
from profiles.refresh.engine import RULE_FAILURES, Now, difference_statement, moment
from profiles.refresh.gates import closed_gate
from profiles.refresh.graph import Graph
from profiles.refresh.people import lock_profiles

logger = logging.getLogger(__name__)

CHUNK = 10_000  # moves a transaction: so long may somebody wait for a profile or for the feed


class RefreshFailed(Exception):
    """Some holders could not be refreshed; the message names each with its error. The others were."""


def refresh_in_full(holder: Holder, *, now: Now, cause: Cause, run: Run | None = None) -> int:
    """Bring `holder` and its dependents, in order, to what their rules say; returns how many moves were written.

    Cut off anywhere, it can simply be run again: dependents are judged in full, not by what moved this time.

    Raises:
        RefreshFailed: after all are done, where the rules of some failed.
    """
    progress = Progress(run)
    errors: dict[str, str] = {}
    for key in Graph.load().downstream([holder.key]):
        try:
            refresh_one(key, now=now, cause=cause, progress=progress)
        except RULE_FAILURES as error:
            logger.exception("the full refresh of %s failed", key)
            errors[key] = str(error)
    if errors:
        raise RefreshFailed("; ".join(f"{key}: {error}" for key, error in errors.items()))
    return progress.done


@dataclass
class Progress:
    """Moves that are written, of those found so far."""

    run: Run | None
    done: int = 0
    total: int = 0

    def add(self, *, done: int = 0, total: int = 0) -> None:
        self.done += done
        self.total += total
        if self.run is not None:
            advance(self.run, self.done, self.total, moves=self.done)


def refresh_one(key: str, *, now: Now, cause: Cause, progress: Progress) -> None:
    """Refresh one holder behind its closed gate; one that was deleted meanwhile is passed over.

    Rules and clock are read behind the gate: whatever others judged before is older than both.
    """
    with closed_gate(key):
        try:
            holder = holder_of(key)
        except KeyError:
            return
        started_at = moment(now)
        try:
            for moves in difference_in_chunks(holder, now=started_at, progress=progress):
                n_written = write_chunk(holder, moves, cause=cause, now=started_at)
                progress.add(done=n_written, total=n_written - len(moves))
        except RULE_FAILURES as error:
            holder.finished(now=started_at, error=str(error))
            raise
        holder.finished(now=started_at)


def difference_in_chunks(holder: Holder, *, now: datetime, progress: Progress) -> Iterator[list[Move]]:
    """The moves of everybody, computed by one statement, which the server keeps while the chunks are written."""
    statement, params = difference_statement(holder, scope=EVERYBODY, now=now)
    with connection.cursor() as cursor:
        with transaction.atomic():
            set_local(work_mem=HEAVY_WORK_MEM)
            cursor.execute(f"DECLARE difference SCROLL CURSOR WITH HOLD FOR {statement}", params)
        try:
            cursor.execute("MOVE ALL FROM difference")
            progress.add(total=cursor.rowcount)
            cursor.execute("MOVE ABSOLUTE 0 FROM difference")
            while moves := fetch_moves(cursor):
                yield moves
        finally:
            cursor.execute("CLOSE difference")


def fetch_moves(cursor: CursorWrapper) -> list[Move]:
    cursor.execute("FETCH %s FROM difference", [CHUNK])
    return [Move(*row) for row in cursor.fetchall()]


@transaction.atomic
def write_chunk(holder: Holder, moves: list[Move], *, cause: Cause, now: datetime) -> int:
    """Write those moves that still are ones; returns how many.

    The difference is some seconds old: who was merged since, or moved along with a merge, is left as they are now.
    """
    locked = lock_profiles([move.profile_id for move in moves])
    held = dict(holder.current().filter(Scope(locked).on("profile_id")))
    still = set(locked)
    moves = [move for move in moves if move.profile_id in still and held.get(move.profile_id) == move.before]
    if moves:
        holder.apply(moves, cause=cause, now=now)
        holder.record(moves, cause=cause, now=now)
    return len(moves)
