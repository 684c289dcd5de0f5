"""Putting many people into a segment by hand, by a run that can be taken back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from cdp.audit import write_addition
from cdp.bulk import CHUNK, queue_undo_of, work_through
from cdp.models import Run, User
from cdp.rules.causes import Cause
from cdp.runs import RefusedError, advance, queue_run
from segments.models import BulkJoining, Membership, Segment
from segments.services.members import add_members, check_static, take_back_written
from segments.services.segment import save_segment

JOIN, UNDO = "join_people", "unjoin_people"  # kinds of runs; the subject is the key of the segment, as of a holder


@transaction.atomic
def save_people(
    profile_ids: Iterable[int], *, key: str, name: str, category: str = "", chosen_by: str, user: User
) -> Segment:
    """Make a segment by hand of the people of now, who come in by a run. `user` owns it. Raises ValidationError."""
    segment = Segment(key=key, name=name, category=category, kind=Segment.Kind.STATIC, owner=user)
    save_segment(segment, user=user)
    write_addition(user, segment, {"key": key, "name": name, "kind": segment.kind, "chosen_by": chosen_by})
    queue_joining(segment, profile_ids, chosen_by=chosen_by, user=user)
    return segment


@transaction.atomic
def queue_joining(segment: Segment, profile_ids: Iterable[int], *, chosen_by: str, user: User) -> BulkJoining:
    """Queue it for the people of now; who is chosen later by the same words is not meant. Raises ValidationError."""
    check_static(segment)
    people = sorted(set(profile_ids))
    if not people:
        raise ValidationError(_("Nobody is chosen."))
    # No two are equal: each has its own people.
    number = BulkJoining.objects.filter(segment=segment).count() + 1
    run = queue_run(JOIN, f"segment:{segment.key}", user, {"number": number}, cancellable=True)
    return BulkJoining.objects.create(segment=segment, run=run, chosen_by=chosen_by[:200], profile_ids=people)


def put_in(run: Run, *, now: datetime) -> None:
    """Do the work of the run, in order of the people; cut off anywhere, it goes on after the last chunk it noted.

    Raises RefusedError where the segment is no longer one that hands fill.
    """
    joining = BulkJoining.objects.select_related("segment").filter(run=run).first()
    if joining is None:
        raise RefusedError(_("The segment was deleted meanwhile."))
    if now not in joining.moments:
        joining.moments.append(now)
        joining.save(update_fields=["moments"])

    def work(chunk: Sequence[int]) -> tuple[int, int]:
        done = add_members(joining.segment, chunk, user=run.user, now=now)
        return done.added, done.unchanged

    work_through(run, joining.profile_ids, work, changed="joined")


@transaction.atomic
def queue_taking_back(joining: BulkJoining, *, user: User) -> Run:
    """Take out again whom it put in; twice is as once. Raises ValidationError while it is under way."""
    stored = BulkJoining.objects.select_for_update(of=("self",)).select_related("segment", "run").get(pk=joining.pk)
    check_static(stored.segment)
    return queue_undo_of(stored, UNDO, {"joining": stored.pk}, user=user)


def take_back(run: Run, *, now: datetime) -> None:
    """Take out those who are in since the run put them in; who was taken out and put in again meanwhile stays.

    Cut off anywhere, it finds who is left.
    """
    joining = BulkJoining.objects.select_related("segment", "run").filter(undo_run=run).first()
    if joining is None:
        raise RefusedError(_("The segment was deleted meanwhile."))
    # No other hand of the same user has written at one of these microseconds.
    written = Q(segment=joining.segment, entered_at__in=joining.moments, added_by=joining.run.user, import_id=None)
    total = run.done + Membership.objects.filter(written).count()
    n_left = int(run.counts.get("taken_back", 0))
    while True:
        try:
            check_static(joining.segment)
        except ValidationError as error:
            raise RefusedError(" ".join(error.messages)) from error
        taken = take_back_written(written, cause=Cause.MANUAL, now=now, limit=CHUNK)
        n_left += taken.n_left
        advance(run, min(run.done + taken.n_rows, total), total, taken_back=n_left)
        if not taken.n_rows:
            return
