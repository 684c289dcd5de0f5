"""Filling a segment once: a snapshot from its rule, a copy of a segment by hand from the original."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext as _

from cdp.copy import copy_rows
from cdp.cursors import held_rows
from cdp.models import Run, User
from cdp.rules.ast import Rule
from cdp.rules.causes import Cause
from cdp.rules.holders import Move
from cdp.rules.scope import EVERYBODY, Scope
from cdp.runs import RefusedError, queue_run
from profiles.refresh.edits import is_awaiting
from profiles.refresh.engine import RULE_FAILURES, Now, difference_statement, moment
from profiles.refresh.enqueue import enqueue_changes
from profiles.refresh.full import CHUNK, Progress, write_chunk
from segments.holders import SegmentHolder
from segments.models import Membership, Segment
from segments.operators.segment import InSegment, SegmentFacts

FILL = "fill"  # the kind of run; its subject is the key of the segment, as of a holder


def queue_fill(segment: Segment, *, source: Segment | None = None, user: User | None) -> Run:
    """Queue the filling of a snapshot by its rule, or of a segment by hand with those who are in `source`."""
    return queue_run(FILL, f"segment:{segment.key}", user, {"from": source.key} if source else {})


def is_being_filled(segment: Segment) -> bool:
    """Whether who is in is still that of before its rule was made or changed, or before it was filled."""
    key = f"segment:{segment.key}"
    return is_awaiting(key) or Run.objects.unfinished().filter(kind=FILL, subject=key).exists()


class FactHolder(SegmentHolder):
    """Its members are facts, as if put in by hand: they move at a merge, and come back at a split."""

    def apply(self, moves: Sequence[Move], *, cause: Cause, now: datetime) -> None:
        left = [move.profile_id for move in moves if move.after is None]
        if left:
            Membership.objects.filter(Scope(left).on("profile_id"), segment=self.pk).delete()
        copy_rows(
            Membership._meta.db_table,
            ["segment_id", "profile_id", "origin_id", "entered_at"],
            ((self.pk, move.profile_id, move.profile_id, now) for move in moves if move.after is not None),
        )
        enqueue_changes([move.profile_id for move in moves], self.key, due_at=now)


def fill_segment(key: str, *, source: str | None, now: Now, run: Run | None = None) -> int:
    """Put in whoever matches at one moment; returns how many moves were written.

    Cut off anywhere, it is run again: a snapshot is then of the later moment, whole. Into a segment by hand people are
    only put, since hands may have been at work meanwhile.

    Raises one of RULE_FAILURES, which its page then shows; RefusedError where the segment, or its source, is gone.
    """
    segment = Segment.objects.filter(key=key).first()
    if segment is None:
        raise RefusedError(_("The segment was deleted meanwhile."))
    is_snapshot = segment.kind == Segment.Kind.SNAPSHOT
    holder = FactHolder(key=f"segment:{key}", label=segment.name, pk=segment.pk, rule=segment.rule)
    rules = None if source is None else [members_of(source)]
    progress = Progress(run)
    at = moment(now)
    try:
        with held_rows(*difference_statement(holder, rules, scope=EVERYBODY, now=at)) as rows:
            progress.add(total=rows.count)
            for chunk in rows.chunks(CHUNK):
                moves = [move for move in (Move(*row) for row in chunk) if is_snapshot or move.after is not None]
                n_written = write_chunk(holder, moves, cause=Cause.RULE, now=at)
                progress.add(done=n_written, total=n_written - len(chunk))
    except RULE_FAILURES as error:
        holder.finished(now=at, error=str(error))
        raise
    if is_snapshot:
        holder.finished(now=at)
    return progress.done


def members_of(key: str) -> Rule:
    """Who is in a segment, also in one that is archived, which no rule of an operator can name."""
    source = Segment.objects.filter(key=key).first()
    if source is None:
        raise RefusedError(_("The segment it is a copy of was deleted meanwhile."))
    return Rule(InSegment(key, SegmentFacts(source.pk, source.name)))
