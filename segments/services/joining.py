"""Putting many people into a segment by hand, by a run that can be taken back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from cdp.audit import write_addition
from cdp.bulk import CHUNK, queue_undo_of, work_through
from cdp.models import Run, User
from cdp.rules.causes import Cause
from cdp.rules.scope import Scope
from cdp.runs import RefusedError, queue_run
from profiles.refresh.engine import Now, moment
from profiles.refresh.people import lock_survivors
from profiles.services.named import named_in
from segments.models import BulkJoining, Membership, Segment
from segments.services.hold import hold_segment
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
def queue_joining(
    segment: Segment, profile_ids: Iterable[int], *, chosen_by: str, unknown: Sequence[Any] = (), user: User
) -> BulkJoining:
    """Queue it for the people of now; who is chosen later by the same words is not meant. `unknown` are those named
    whom nobody is, as they were named. Raises ValidationError.
    """
    check_static(segment)
    people = sorted(set(profile_ids))
    if not people:
        raise ValidationError(_("Nobody is chosen."))
    # No two are equal: each has its own people.
    number = BulkJoining.objects.filter(segment=segment).count() + 1
    run = queue_run(JOIN, f"segment:{segment.key}", user, {"number": number}, cancellable=True)
    return BulkJoining.objects.create(
        segment=segment, run=run, chosen_by=chosen_by[:200], profile_ids=people, unknown=list(unknown)
    )


def put_in(run: Run, *, now: Now) -> None:
    """Do the work of the run, in order of the people; cut off anywhere, it goes on after the last chunk it noted. Each
    chunk is in since its own moment, so that whoever was asked for as of one is so ever after.

    Raises RefusedError where the segment is no longer one that hands fill.
    """
    joining = BulkJoining.objects.select_related("segment").filter(run=run).first()
    if joining is None:
        raise RefusedError(_("The segment was deleted meanwhile."))

    def work(chunk: Sequence[int]) -> tuple[int, int]:
        at = note_moment(joining, now)
        done = add_members(joining.segment, chunk, user=run.user, now=at)
        return done.added, done.unchanged

    unknown = {"unknown": len(joining.unknown)} if joining.unknown else {}
    work_through(run, joining.profile_ids, work, changed="joined", counts=unknown)


def note_moment(joining: BulkJoining, now: Now) -> datetime:
    """Read the clock, and commit what it says before anybody is in since then; that nobody came in does no harm."""
    at = moment(now)
    if at not in joining.moments:
        joining.moments.append(at)
        joining.save(update_fields=["moments"])
    return at


@transaction.atomic
def queue_taking_back(joining: BulkJoining, *, user: User) -> Run:
    """Take out again whom it put in; twice is as once. Raises ValidationError while it is under way."""
    stored = BulkJoining.objects.select_for_update(of=("self",)).select_related("segment", "run").get(pk=joining.pk)
    check_static(stored.segment)
    return queue_undo_of(stored, UNDO, {"joining": stored.pk}, user=user)


def take_back(run: Run, *, now: Now) -> None:
    """Take out those who are in since the run put them in, but for those whom another run that was not taken back
    names; and whom only one put in that was taken back meanwhile, and this one kept in. Who was taken out and put in
    again stays. Cut off anywhere, it goes on after the last chunk it noted.
    """
    joining = BulkJoining.objects.filter(undo_run=run).first()
    if joining is None:
        raise RefusedError(_("The segment was deleted meanwhile."))

    def work(chunk: Sequence[int]) -> tuple[int, int]:
        return take_out(joining, chunk, now=moment(now))

    # Also those to whom it did not come, since it was cancelled: others may have kept them in for its sake.
    work_through(run, joining.profile_ids, work, changed="taken_back", others="kept")


@transaction.atomic
def take_out(joining: BulkJoining, profile_ids: Sequence[int], *, now: datetime) -> tuple[int, int]:
    """Returns how many are out, and how many stay as others name them. Raises ValidationError."""
    people = sorted(set(lock_survivors(profile_ids).values()))
    check_static(hold_segment(joining.segment_id))
    lists = BulkJoining.objects.filter(segment=joining.segment_id)
    named = named_in(lists.filter(undo_run=None), people)
    gone = Q(Scope([person for person in people if person not in named]).on("profile_id"))
    written = put_in_by(lists.exclude(undo_run=None))
    stay = Membership.objects.filter(written, Scope(list(named)).on("profile_id")).count()
    return take_back_written(written & gone, cause=Cause.MANUAL, now=now, limit=CHUNK).n_left, stay


def put_in_by(lists: QuerySet[BulkJoining]) -> Q:
    """The rows of those whom these put in: no other hand of the same user has written at one of these microseconds."""
    written = Q(pk__in=[])
    for segment_id, user_id, moments in lists.values_list("segment", "run__user", "moments"):
        written |= Q(segment=segment_id, entered_at__in=moments, added_by=user_id, import_id=None)
    return written
