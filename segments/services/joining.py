"""Putting many people into a segment by hand, by a run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from cdp.audit import write_addition
from cdp.models import Run, User
from cdp.runs import RefusedError, advance, queue_run
from segments.models import BulkJoining, Segment
from segments.services.members import add_members, check_static
from segments.services.segment import save_segment

JOIN = "join_people"  # the kind of run; its subject is the key of the segment, as of a holder
CHUNK = 2_000  # people a transaction: so long may somebody wait for one of them or for the feed


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
        return  # the segment was deleted meanwhile
    people = joining.profile_ids
    added, unchanged = (int(run.counts.get(name, 0)) for name in ("joined", "unchanged"))
    for start in range(run.done, len(people), CHUNK):
        chunk = people[start : start + CHUNK]
        try:
            done = add_members(joining.segment, chunk, user=run.user, now=now)
        except ValidationError as error:
            raise RefusedError(" ".join(error.messages)) from error
        added, unchanged = added + done.added, unchanged + done.unchanged
        advance(run, start + len(chunk), len(people), joined=added, unchanged=unchanged)
