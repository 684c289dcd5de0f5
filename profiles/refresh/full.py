"""Refresh in full: everybody is judged by one holder, then by all that depend on it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F

from cdp.cursors import HeldRows, held_rows
from cdp.local_settings import TimeLimitExceeded
from cdp.models import Run
from cdp.rules.causes import Cause
from cdp.rules.holders import Holder, Move, holder_of
from cdp.rules.scope import EVERYBODY, Scope
from cdp.runs import advance
from cdp.stages import wake
from profiles.models import HolderClock, Lane, ProfileChange
from profiles.refresh.clock import follow
from profiles.refresh.edits import is_awaiting, note_judged
from profiles.refresh.engine import IN_FULL_SECONDS, RULE_FAILURES, Now, RuleTooSlow, difference_statement, moment
from profiles.refresh.gates import closed_gate
from profiles.refresh.graph import TIME, Graph
from profiles.refresh.inheritance import inherited, settle_in_full, waiting_for, with_since
from profiles.refresh.pending import pending
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
    waiting = [holder.key]
    judged: set[str] = set()
    while waiting:
        key = waiting[0]
        try:
            refresh_one(key, now=now, cause=cause, progress=progress)
        except RULE_FAILURES as error:
            logger.exception("the full refresh of %s failed", key)
            errors[key] = str(error)
        judged.add(key)
        # Read anew: a dependent that was saved meanwhile may have been filled from what this one held before.
        waiting = [dependent for dependent in Graph.load().downstream([holder.key]) if dependent not in judged]
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

    Rules and clock are read behind the gate: whatever others judged before is older than both. A check leaves to the
    queue whom time has moved since the last tick.
    """
    with closed_gate(key):
        try:
            holder = holder_of(key)
        except KeyError:
            return
        if cause is not Cause.RULE and is_awaiting(key):
            return  # what is new is followed by the refresh that it asks for: nobody moves by time because of an edit
        started_at = moment(now)
        if cause is Cause.CORRECTION and not begin_check(holder, now=started_at):
            return
        waited = waiting_for(holder)
        try:
            with found_by(holder, now=started_at) as rows:
                progress.add(total=rows.count)
                for chunk in rows.chunks(CHUNK):
                    moves = [Move(*row) for row in chunk]
                    n_written = write_chunk(holder, moves, cause=cause, now=started_at, until=moment(now))
                    progress.add(done=n_written, total=n_written - len(chunk))
        except RULE_FAILURES as error:
            holder.finished(now=started_at, error=str(error))
            note_judged(progress.run, key, cause=cause)
            raise
        if waited:
            settle_in_full(holder, waited, until=moment(now))
        holder.finished(now=started_at)
        end_clock(key, cause=cause, now=started_at)
        note_judged(progress.run, key, cause=cause)


@contextmanager
def found_by(holder: Holder, *, now: datetime) -> Iterator[HeldRows]:
    """The differences of everybody. Raises RuleTooSlow."""
    try:
        with held_rows(*difference_statement(holder, scope=EVERYBODY, now=now), seconds=IN_FULL_SECONDS) as rows:
            yield rows
    except TimeLimitExceeded as error:
        raise RuleTooSlow(IN_FULL_SECONDS) from error


def begin_check(holder: Holder, *, now: datetime) -> bool:
    """Put on the queue whom time has moved; returns whether the rest can be checked now: not if everybody is to be
    refreshed for that.
    """
    HolderClock.objects.filter(holder=holder.key).update(n_corrected_last=0)
    return not any(followed.is_in_full for followed in follow([holder], Graph.load(), until=now))


def end_clock(key: str, *, cause: Cause, now: datetime) -> None:
    """What was so at `now` is written, or on the queue."""
    noted: dict[str, datetime | None] = {"checked_at": now} if cause is Cause.CORRECTION else {"clocked_at": now}
    noted["too_slow_since"] = None
    HolderClock.objects.update_or_create(holder=key, defaults=noted, create_defaults={"clocked_at": now, **noted})


def leave_to_others(holder: Holder, profile_ids: Sequence[int], *, until: datetime) -> set[int]:
    """Put on the queue who is about to be judged for what the rule speaks of; returns who that is.

    By what that still says, they might enter here for a moment and leave again.
    """
    graph = Graph.load()
    above = [graph.holders[key] for key in graph.upstream([holder.key]) if key != holder.key]
    left = pending(above, profile_ids, until=until) if above else set()
    ProfileChange.objects.bulk_create(
        ProfileChange(profile_id=pk, topic=TIME, lane=Lane.CLOCK, due_at=until, holder=holder.key)
        for pk in sorted(left)
    )
    if left:
        wake("profiles_changed")
    return left


@transaction.atomic
def write_chunk(
    holder: Holder, moves: list[Move], *, cause: Cause, now: datetime, until: datetime | None = None
) -> int:
    """Write those moves that still are ones; returns how many.

    The difference is some seconds old: who was merged since, or moved along with a merge, is left as they are now.
    Where nobody changed the rule, whoever waits on the queue is left to it, which knows why they move; also for what
    happened between `now`, of which they are judged, and `until`, when that is written.
    """
    until = until or now
    locked = lock_profiles([move.profile_id for move in moves])
    held = dict(holder.current().filter(Scope(locked).on("profile_id")))
    still = set(locked)
    if cause is not Cause.RULE:
        still -= pending([holder], locked, until=until)
    if cause is Cause.TIME:
        still -= leave_to_others(holder, sorted(still), until=until)
    moves = [move for move in moves if move.profile_id in still and held.get(move.profile_id) == move.before]
    if moves:
        moves = with_since(holder, moves, inherited([move.profile_id for move in moves]))
        holder.apply(moves, cause=cause, now=now)
        holder.record(moves, cause=cause, now=now)
    if moves and cause is Cause.CORRECTION:
        HolderClock.objects.filter(holder=holder.key).update(
            n_corrected=F("n_corrected") + len(moves), n_corrected_last=F("n_corrected_last") + len(moves)
        )
    return len(moves)
