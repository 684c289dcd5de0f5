"""Putting a tag on many people, or taking it off, by a run that can be taken back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from cdp.bulk import CHUNK, queue_undo_of, work_through
from cdp.models import Run, User
from cdp.rules.causes import Cause
from cdp.rules.scope import Scope
from cdp.runs import RefusedError, advance, queue_run
from profiles.refresh.engine import Now, moment
from profiles.refresh.enqueue import enqueue_changes
from profiles.refresh.people import lock_profiles, lock_survivors
from profiles.services.named import named_in
from tags.feeds import recording
from tags.followers import restore_displaced
from tags.models import BulkTagging, DisplacedTag, Tag, TagAssignment, TaggedBefore, TagValue
from tags.services.assign import (
    Assignment,
    assign_each,
    assign_tag,
    check_by_hand,
    check_end,
    check_value,
    check_value_of,
    unassign_tag,
)
from tags.services.hold import hold_tag

BULK, UNDO = "tag_people", "untag_people"  # kinds of runs; the subject is the key of the tag, as of a holder


@transaction.atomic
def queue_bulk(
    tag: Tag,
    action: BulkTagging.Action,
    profile_ids: Iterable[int],
    *,
    value: TagValue | None = None,
    expires_at: datetime | None = None,
    chosen_by: str,
    unknown: Sequence[Any] = (),
    user: User,
    now: datetime,
) -> BulkTagging:
    """Queue it for the people of now; who is chosen later by the same words is not meant. `unknown` are those named
    whom nobody is, as they were named. A removal with a `value` is off those who carry that one.

    Raises ValidationError.
    """
    check_by_hand(tag)
    if action == BulkTagging.Action.ASSIGN:
        check_value(tag, value)
        check_end(expires_at, now=now)
    else:
        check_value_of(tag, value)
    people = sorted(set(profile_ids))
    if not people:
        raise ValidationError(_("Nobody is chosen."))
    bulk = BulkTagging(
        tag=tag,
        action=action,
        value=value,
        value_key=value.key if value else "",
        value_name=value.name if value else "",
        expires_at=expires_at,
        chosen_by=chosen_by[:200],
        profile_ids=people,
        unknown=list(unknown),
    )
    # No two are equal: each of them can be taken back by itself.
    number = BulkTagging.objects.filter(tag=tag).count() + 1
    bulk.run = queue_run(BULK, f"tag:{tag.key}", user, {"number": number}, cancellable=True)
    bulk.save()
    return bulk


def carry_out(run: Run, *, now: Now) -> None:
    """Do the work of the run, in order of the people; cut off anywhere, it goes on after the last chunk it noted. Each
    chunk happens at its own moment.

    Raises RefusedError where the tag is no longer one that a hand assigns, or its value is gone.
    """
    bulk = BulkTagging.objects.filter(run=run).first()
    if bulk is None:
        raise RefusedError(_("The tag was deleted meanwhile."))

    def work(chunk: Sequence[int]) -> tuple[int, int]:
        return apply(bulk, chunk, run=run, now=now)

    unknown = {"unknown": len(bulk.unknown)} if bulk.unknown else {}
    changed = "removed" if bulk.action == BulkTagging.Action.REMOVE else "tagged"
    work_through(run, bulk.profile_ids, work, changed=changed, counts=unknown)


@transaction.atomic
def apply(bulk: BulkTagging, profile_ids: Sequence[int], *, run: Run, now: Now) -> tuple[int, int]:
    """Raises ValidationError, also where the tag or its value went meanwhile."""
    people = sorted(set(lock_survivors(profile_ids).values()))
    tag = hold_tag(bulk.tag_id)
    value = next((each for each in tag.values.all() if each.pk == bulk.value_id), None)
    if bulk.value_key and value is None:
        gone = _("The value “%(value)s” was deleted meanwhile: choose another, and start again.")
        raise ValidationError(gone % {"value": bulk.value_name})
    remember(bulk, people)
    at = moment(now)
    if bulk.action == BulkTagging.Action.REMOVE:
        return unassign_tag(tag, people, value=value, user=run.user, run_id=run.pk, now=at)
    return assign_tag(tag, people, value=value, expires_at=bulk.expires_at, user=run.user, run_id=run.pk, now=at)


def remember(bulk: BulkTagging, profile_ids: Sequence[int]) -> None:
    """Note what those carry for whom it will be another; once, however often the run is cut off."""
    is_another = """held.tag_id IS NULL OR held.is_ended
                OR (held.value_id, held.expires_at) IS DISTINCT FROM (%(value)s::bigint, %(expires_at)s::timestamptz)"""
    if bulk.action == BulkTagging.Action.REMOVE:
        is_another = "NOT held.is_ended AND (%(value)s::bigint IS NULL OR held.value_id = %(value)s::bigint)"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO tags_taggedbefore (bulk_id, profile_id, is_carried, value_id, expires_at, last_change)
            SELECT %(bulk)s,
                   person.id,
                   held.tag_id IS NOT NULL AND NOT held.is_ended,
                   held.value_id,
                   held.expires_at,
                   (SELECT coalesce(max(id), 0) FROM tags_tagchange)
            FROM unnest(%(people)s::bigint[]) AS person (id)
            LEFT JOIN tags_tagassignment AS held ON held.tag_id = %(tag)s AND held.profile_id = person.id
            WHERE {is_another}
            ON CONFLICT (bulk_id, profile_id) DO NOTHING
            """,  # noqa: S608 - of our own parts
            {
                "bulk": bulk.pk,
                "tag": bulk.tag_id,
                "value": bulk.value_id,
                "expires_at": bulk.expires_at,
                "people": list(profile_ids),
            },
        )


@transaction.atomic
def queue_undo(bulk: BulkTagging, *, user: User) -> Run:
    """Take it back; twice is as once. Raises ValidationError while it is under way, or where nothing is left of it."""
    stored = BulkTagging.objects.select_for_update(of=("self",)).select_related("tag", "run").get(pk=bulk.pk)
    check_by_hand(stored.tag)
    if stored.is_value_gone:
        gone = _("The value “%(value)s” was deleted: nothing of it can be taken back.")
        raise ValidationError(gone % {"value": stored.value_name})
    return queue_undo_of(stored, UNDO, {"bulk": stored.pk}, user=user)


def take_back(run: Run, *, now: Now) -> None:
    """Give everybody back what they carried before, with its end, but for those whose tag changed again meanwhile, or
    who merged, or whom another run that was not taken back names for the same. Cut off anywhere, it finds what is
    left: nobody's tag is what the run had made of it twice.
    """
    bulk = BulkTagging.objects.defer("profile_ids").filter(undo_run=run).first()
    if bulk is None:
        raise RefusedError(_("The tag was deleted meanwhile."))
    before = TaggedBefore.objects.filter(bulk=bulk)
    total, done = before.count(), 0
    taken_back, kept = (int(run.counts.get(name, 0)) for name in ("taken_back", "kept"))
    after = 0
    while chunk := list(before.filter(pk__gt=after).order_by("pk").values_list("pk", "profile_id")[:CHUNK]):
        after, done = chunk[-1][0], done + len(chunk)
        try:
            given = give_back(bulk, [profile_id for _pk, profile_id in chunk], run=run, now=moment(now))
        except ValidationError as error:
            raise RefusedError(" ".join(error.messages)) from error
        taken_back, kept = taken_back + given.n_back, kept + given.n_kept
        advance(run, done, total, taken_back=taken_back, kept=kept)


class Given(NamedTuple):
    """To how many something was given back, and how many keep what they have, as another run names them."""

    n_back: int
    n_kept: int


@transaction.atomic
def give_back(bulk: BulkTagging, profile_ids: Sequence[int], *, run: Run, now: datetime) -> Given:
    """What has ended by now does not come back."""
    locked = lock_profiles(sorted(profile_ids))
    tag = hold_tag(bulk.tag_id)
    check_by_hand(tag)
    named = named_in(for_the_same(bulk), locked)
    gone, back, kept = [], [], []
    for before in untouched(bulk, locked, now=now):
        if before.profile_id in named:
            kept.append(before)
        elif before.is_carried and (before.expires_at is None or before.expires_at > now):
            back.append(Assignment(before.profile_id, bulk.tag_id, before.value_id, before.expires_at))
        else:
            gone.append(before.profile_id)
    hand_over(kept, named)
    n_given = take_off(bulk, gone, user=run.user, now=now) if gone else 0
    return Given(n_given + assign_each(back, cause=Cause.MANUAL, user=run.user, now=now), len(kept))


def take_off(bulk: BulkTagging, profile_ids: Sequence[int], *, user: User | None, now: datetime) -> int:
    """Off with what the run assigned, also where it gave way. Who carried the tag as another, with whom they merged,
    carries that again. Returns how many carried it.
    """
    theirs = Scope(profile_ids).on("profile_id") & Q(tag=bulk.tag_id)
    carried = TagAssignment.objects.filter(theirs)
    carriers = list(carried.live(now).order_by("profile").values_list("profile", flat=True))
    with recording(profile_ids, cause=Cause.MANUAL, now=now, tag_ids=[bulk.tag_id], user=user):
        carried.delete()
        written_on = TaggedBefore.objects.filter(bulk=bulk).values("profile_id")
        DisplacedTag.objects.filter(theirs, origin__in=written_on).delete()
        restore_displaced(profile_ids, [bulk.tag_id], now=now)
        enqueue_changes(carriers, f"tag:{bulk.tag.key}", due_at=now)
    return len(carriers)


def for_the_same(bulk: BulkTagging) -> QuerySet[BulkTagging]:
    """The other runs that were not taken back and make of people what this one made of them."""
    others = BulkTagging.objects.filter(tag=bulk.tag_id, action=bulk.action, undo_run=None).exclude(pk=bulk.pk)
    if bulk.action == BulkTagging.Action.REMOVE:
        return others.filter(Q(value=bulk.value_id) | Q(value_key=""))
    return others.filter(value=bulk.value_id, value_key=bulk.value_key, expires_at=bulk.expires_at)


def hand_over(kept: Sequence[TaggedBefore], named: Mapping[int, int]) -> None:
    """What they carried before is given back when the run that names them is taken back, to which it goes over."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE tags_taggedbefore AS before
            SET bulk_id = kept.bulk_id, last_change = (SELECT coalesce(max(id), 0) FROM tags_tagchange)
            FROM unnest(%s::bigint[], %s::bigint[]) AS kept (id, bulk_id)
            WHERE before.id = kept.id AND NOT EXISTS (
                SELECT
                FROM tags_taggedbefore AS own
                WHERE own.bulk_id = kept.bulk_id AND own.profile_id = before.profile_id
            )
            """,
            [[each.pk for each in kept], [named[each.profile_id] for each in kept]],
        )


def untouched(bulk: BulkTagging, profile_ids: Sequence[int], *, now: datetime) -> list[TaggedBefore]:
    """Of those whose tag is still what the run made of it, what they carried before; in the order of the profiles.

    That the end came which the run had given it, is its own doing too, as are the rows that are deleted a while after.
    """
    still = """(held.tag_id IS NOT NULL
                AND (held.value_id, held.expires_at) IS NOT DISTINCT FROM (%(value)s::bigint, %(ends)s::timestamptz)
                OR held.tag_id IS NULL AND %(ends)s::timestamptz <= %(now)s)"""
    if bulk.action == BulkTagging.Action.REMOVE:
        still = "held.tag_id IS NULL"
    return list(
        TaggedBefore.objects.raw(
            f"""
            SELECT before.*
            FROM tags_taggedbefore AS before
            LEFT JOIN tags_tagassignment AS held ON held.tag_id = %(tag)s AND held.profile_id = before.profile_id
            WHERE before.bulk_id = %(bulk)s
                AND before.profile_id = ANY(%(people)s)
                AND {still}
                AND NOT EXISTS (
                    SELECT
                    FROM tags_tagchange AS later
                    WHERE later.profile_id = before.profile_id
                        AND later.tag_id = %(tag)s
                        AND later.id > before.last_change
                        AND later.run_id IS DISTINCT FROM %(run)s
                        AND (later.cause <> %(time)s OR later.after IS NOT NULL
                            OR %(ends)s::timestamptz IS NULL OR later.at < %(ends)s::timestamptz)
                )
            ORDER BY before.profile_id
            """,  # noqa: S608 - of our own parts
            {
                "bulk": bulk.pk,
                "tag": bulk.tag_id,
                "value": bulk.value_id,
                "ends": bulk.expires_at,
                "people": list(profile_ids),
                "run": bulk.run_id,
                "time": Cause.TIME,
                "now": now,
            },
        )
    )
