"""Putting a tag on many people, or taking it off, by a run that can be taken back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from cdp.models import Run, User
from cdp.runs import RefusedError, advance, queue_run
from profiles.refresh.people import lock_profiles
from tags.models import BulkTagging, Tag, TagChange, TagValue
from tags.services.assign import assign_tag, check_by_hand, check_value, unassign_tag

BULK, UNDO = "tag_people", "untag_people"  # kinds of runs; the subject is the key of the tag, as of a holder
CHUNK = 2_000  # people a transaction: so long may somebody wait for one of them or for the feed


@transaction.atomic
def queue_bulk(
    tag: Tag,
    action: BulkTagging.Action,
    profile_ids: Iterable[int],
    *,
    value: TagValue | None = None,
    expires_at: datetime | None = None,
    chosen_by: str,
    user: User,
) -> BulkTagging:
    """Queue it for the people of now; who is chosen later by the same words is not meant. Raises ValidationError."""
    check_by_hand(tag)
    if action == BulkTagging.Action.ASSIGN:
        check_value(tag, value)
    people = sorted(set(profile_ids))
    if not people:
        raise ValidationError(_("Nobody is chosen."))
    bulk = BulkTagging(
        tag=tag, action=action, value=value, expires_at=expires_at, chosen_by=chosen_by[:200], profile_ids=people
    )
    # No two are equal: each of them can be taken back by itself.
    number = BulkTagging.objects.filter(tag=tag).count() + 1
    bulk.run = queue_run(BULK, f"tag:{tag.key}", user, {"number": number}, cancellable=True)
    bulk.save()
    return bulk


def carry_out(run: Run, *, now: datetime) -> None:
    """Do the work of the run, in order of the people; cut off anywhere, it goes on after the last chunk it noted.

    Raises RefusedError where the tag is no longer one that a hand assigns.
    """
    bulk = BulkTagging.objects.select_related("tag", "value").filter(run=run).first()
    if bulk is None:
        return  # the tag was deleted meanwhile
    people: Sequence[int] = bulk.profile_ids
    assigned, unchanged = (int(run.counts.get(name, 0)) for name in ("tagged", "unchanged"))
    for start in range(run.done, len(people), CHUNK):
        chunk = people[start : start + CHUNK]
        try:
            n_changed, n_unchanged = apply(bulk, chunk, run=run, now=now)
        except ValidationError as error:
            raise RefusedError(" ".join(error.messages)) from error
        assigned, unchanged = assigned + n_changed, unchanged + n_unchanged
        advance(run, start + len(chunk), len(people), tagged=assigned, unchanged=unchanged)


def apply(bulk: BulkTagging, profile_ids: Sequence[int], *, run: Run, now: datetime) -> tuple[int, int]:
    if bulk.action == BulkTagging.Action.REMOVE:
        return unassign_tag(bulk.tag, profile_ids, user=run.user, run_id=run.pk, now=now)
    return assign_tag(
        bulk.tag, profile_ids, value=bulk.value, expires_at=bulk.expires_at, user=run.user, run_id=run.pk, now=now
    )


@transaction.atomic
def queue_undo(bulk: BulkTagging, *, user: User) -> Run:
    """Take it back; twice is as once. Raises ValidationError while it is under way."""
    stored = BulkTagging.objects.select_for_update(of=("self",)).select_related("tag", "run").get(pk=bulk.pk)
    check_by_hand(stored.tag)
    if stored.run.ended_at is None:
        raise ValidationError(_("It is still under way: cancel it, or wait for its end."))
    if stored.undo_run is None:
        stored.undo_run = queue_run(UNDO, f"tag:{stored.tag.key}", user, {"bulk": stored.pk})
        stored.save(update_fields=["undo_run"])
    return stored.undo_run


def take_back(run: Run, *, now: datetime) -> None:
    """Give everybody back what they carried before, but for those whose tag changed again meanwhile, or who merged.

    A value comes back without the end that it had. Cut off anywhere, it finds what is left: its own changes are later.
    """
    bulk = BulkTagging.objects.select_related("tag").filter(undo_run=run).first()
    if bulk is None:
        return
    changes = TagChange.objects.filter(run_id=bulk.run_id)
    total, done, taken_back = changes.count(), 0, 0
    after = 0
    while chunk := list(changes.filter(pk__gt=after).order_by("pk")[:CHUNK]):
        after, done = chunk[-1].pk, done + len(chunk)
        try:
            taken_back += give_back(bulk.tag, chunk, run=run, now=now)
        except ValidationError as error:
            raise RefusedError(" ".join(error.messages)) from error
        advance(run, done, total, taken_back=taken_back)


@transaction.atomic
def give_back(tag: Tag, changes: Sequence[TagChange], *, run: Run, now: datetime) -> int:
    people = lock_profiles([change.profile_id for change in changes])
    later = TagChange.objects.filter(tag=tag, profile=OuterRef("profile"), pk__gt=OuterRef("pk"))
    last = TagChange.objects.filter(pk__in=[change.pk for change in changes], profile__in=people)
    before: dict[str | None, list[int]] = {}
    for profile_id, key in last.filter(~Exists(later)).order_by("profile").values_list("profile", "before"):
        before.setdefault(key, []).append(profile_id)
    values = {value.key: value for value in tag.values.all()}
    n_given = 0
    for key, profile_ids in sorted(before.items(), key=lambda item: item[0] or ""):
        if key is None:
            n_given += unassign_tag(tag, profile_ids, user=run.user, now=now).unassigned
        elif not key or key in values:
            value = values[key] if key else None
            n_given += assign_tag(tag, profile_ids, value=value, user=run.user, now=now).assigned
    return n_given
