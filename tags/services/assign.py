"""Tags by hand: putting them on, and taking them off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cdp.models import User
from cdp.rules.causes import Cause
from cdp.rules.scope import Scope
from profiles.refresh.enqueue import enqueue_changes
from profiles.refresh.people import lock_survivors
from profiles.refresh.saving import Archived
from tags.feeds import recording
from tags.models import DisplacedTag, Tag, TagAssignment, TagValue

NOT_BY_HAND = {
    Tag.Kind.RULE: gettext_lazy("“%(tag)s” is assigned by its rule, not by hand."),
    Tag.Kind.SCORE: gettext_lazy("“%(tag)s” is assigned by a score, not by hand."),
    Tag.Kind.IMPORTED: gettext_lazy("“%(tag)s” is assigned by imports, not by hand."),
}


class Assigned(NamedTuple):
    """Numbers of profiles: who got the tag, another value or another end, and who had it so already."""

    assigned: int
    unchanged: int


class Unassigned(NamedTuple):
    """Numbers of profiles: who lost the tag, and who did not carry it."""

    unassigned: int
    unchanged: int


@transaction.atomic
def assign_tag(
    tag: Tag,
    profile_ids: Iterable[int],
    *,
    value: TagValue | None = None,
    expires_at: datetime | None = None,
    user: User | None = None,
    run_id: int | None = None,
    now: datetime,
) -> Assigned:
    """Put a tag by hand on profiles, until `expires_at` (exclusive; None: without end).

    Ids that were merged away mean their survivors; ids of nobody are passed over. A tag with values needs one.

    Raises ValidationError.
    """
    check_by_hand(tag)
    check_value(tag, value)
    check_end(expires_at, now=now)
    locked = sorted(set(lock_survivors(profile_ids).values()))
    wanted = [Assignment(profile_id, tag.pk, value.pk if value else None, expires_at) for profile_id in locked]
    with recording(locked, cause=Cause.MANUAL, now=now, tag_ids=[tag.pk], user=user, run_id=run_id):
        keep_if_taken_back(wanted, but_by=[])
        changed = write_assignments(locked, tag=tag, value=value, expires_at=expires_at, user=user, now=now)
        enqueue_changes(changed, f"tag:{tag.key}", due_at=now)
    return Assigned(len(changed), len(locked) - len(changed))


@transaction.atomic
def unassign_tag(
    tag: Tag,
    profile_ids: Iterable[int],
    *,
    value: TagValue | None = None,
    user: User | None = None,
    run_id: int | None = None,
    now: datetime,
) -> Unassigned:
    """Take a tag by hand off profiles: off those who carry this `value`, without one whatever they carry. Ids as for
    `assign_tag`.

    Raises ValidationError.
    """
    check_by_hand(tag)
    check_value_of(tag, value)
    locked = sorted(set(lock_survivors(profile_ids).values()))
    meant = Scope(locked).on("profile_id") & Q(tag=tag) & (Q(value=value) if value else Q())
    carried = TagAssignment.objects.filter(meant)
    carriers = list(carried.live(now).order_by("profile").values_list("profile", flat=True))
    with recording(locked, cause=Cause.MANUAL, now=now, tag_ids=[tag.pk], user=user, run_id=run_id):
        carried.delete()
        DisplacedTag.objects.filter(meant).delete()
        enqueue_changes(carriers, f"tag:{tag.key}", due_at=now)
    return Unassigned(len(carriers), len(locked) - len(carriers))


def check_by_hand(tag: Tag) -> None:
    """Raises ValidationError for a tag that no hand assigns: of another kind, a draft, or archived."""
    if tag.kind != Tag.Kind.MANUAL:
        raise ValidationError(NOT_BY_HAND[Tag.Kind(tag.kind)] % {"tag": tag.name})
    if tag.lifecycle == Tag.Lifecycle.DRAFT:
        raise ValidationError(_("“%(tag)s” is a draft: activate it first.") % {"tag": tag.name})
    if tag.lifecycle == Tag.Lifecycle.ARCHIVED:
        raise Archived(tag.name)


def check_end(expires_at: datetime | None, *, now: datetime) -> None:
    if expires_at is not None and expires_at <= now:
        raise ValidationError({"expires_at": _("The end must lie in the future.")})


def check_value(tag: Tag, value: TagValue | None) -> None:
    if value is None and tag.values.exists():
        keys = ", ".join(tag.values.values_list("key", flat=True))
        raise ValidationError({"value": _("“%(tag)s” needs a value: %(keys)s.") % {"tag": tag.name, "keys": keys}})
    check_value_of(tag, value)


def check_value_of(tag: Tag, value: TagValue | None) -> None:
    if value is not None and value.tag_id != tag.pk:
        raise ValidationError(
            {"value": _("“%(value)s” is not a value of “%(tag)s”.") % {"value": value.name, "tag": tag.name}}
        )


def write_assignments(
    profile_ids: list[int],
    *,
    tag: Tag,
    value: TagValue | None,
    expires_at: datetime | None,
    user: User | None,
    now: datetime,
) -> list[int]:
    """Insert or replace; returns the profiles for whom something is another now.

    What a merge brought from another profile is kept aside for it, should the two be taken apart. What was kept aside
    for this one is replaced too.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO tags_displacedtag
                (tag_id, value_id, profile_id, origin_id, assigned_at, expires_at, assigned_by_id, import_id)
            SELECT tag_id, value_id, profile_id, origin_id, assigned_at, expires_at, assigned_by_id, import_id
            FROM tags_tagassignment
            WHERE tag_id = %s AND profile_id = ANY(%s) AND origin_id <> profile_id
                AND (value_id, expires_at) IS DISTINCT FROM (%s::bigint, %s::timestamptz)
            """,
            [tag.pk, profile_ids, value.pk if value else None, expires_at],
        )
        cursor.execute(
            """
            INSERT INTO tags_tagassignment AS held
                (tag_id, profile_id, origin_id, value_id, expires_at, assigned_by_id, assigned_at)
            SELECT %s, id, id, %s, %s, %s, %s
            FROM unnest(%s::bigint[]) AS wanted (id)
            ON CONFLICT (tag_id, profile_id) DO UPDATE
            SET origin_id = excluded.origin_id,
                value_id = excluded.value_id,
                expires_at = excluded.expires_at,
                assigned_by_id = excluded.assigned_by_id,
                assigned_at = excluded.assigned_at,
                import_id = NULL,
                is_ended = false
            WHERE (held.value_id, held.expires_at) IS DISTINCT FROM (excluded.value_id, excluded.expires_at)
            RETURNING profile_id
            """,
            [tag.pk, value.pk if value else None, expires_at, user.pk if user else None, now, profile_ids],
        )
        changed = [profile_id for (profile_id,) in cursor.fetchall()]
        forget_own_displaced(changed, [tag.pk] * len(changed))
        return changed


class Assignment(NamedTuple):
    """A tag by hand for one profile, by ids."""

    profile_id: int
    tag_id: int
    value_id: int | None
    expires_at: datetime | None


def differing(wanted: Sequence[Assignment]) -> list[Assignment]:
    """Those of the assignments that are not written so already."""
    held = TagAssignment.objects.filter(
        Scope([each.profile_id for each in wanted]).on("profile_id"), tag__in={each.tag_id for each in wanted}
    )
    known = {(row[0], row[1]): row[2:] for row in held.values_list("profile_id", "tag_id", "value_id", "expires_at")}
    return [each for each in wanted if known.get(each[:2], ()) != each[2:]]


def assign_each(
    wanted: Sequence[Assignment], *, cause: Cause, user: User | None, import_id: int | None = None, now: datetime
) -> int:
    """Put tags by hand on profiles, each with a value and an end of its own, one a profile and tag.

    Returns how many are another now.

    In a transaction that holds the locks of the profiles. What a merge brought is kept aside, as for `assign_tag`.
    """
    changed = differing(wanted)
    if not changed:
        return 0
    people = sorted({each.profile_id for each in changed})
    tags = dict(Tag.objects.filter(pk__in={each.tag_id for each in changed}).values_list("pk", "key"))
    with recording(people, cause=cause, now=now, tag_ids=list(tags), user=user):
        write_each(changed, user=user, import_id=import_id, now=now)
        for tag_id, key in sorted(tags.items()):
            enqueue_changes([each.profile_id for each in changed if each.tag_id == tag_id], f"tag:{key}", due_at=now)
    return len(changed)


def write_each(changed: Sequence[Assignment], *, user: User | None, import_id: int | None, now: datetime) -> None:
    """Insert or replace, each with a value and an end of its own."""
    columns = [list(column) for column in zip(*changed, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO tags_displacedtag
                (tag_id, value_id, profile_id, origin_id, assigned_at, expires_at, assigned_by_id, import_id)
            SELECT held.tag_id, held.value_id, held.profile_id, origin_id, assigned_at, expires_at, assigned_by_id,
                import_id
            FROM unnest(%s::bigint[], %s::bigint[]) AS wanted (profile_id, tag_id)
            JOIN tags_tagassignment AS held
                ON held.profile_id = wanted.profile_id AND held.tag_id = wanted.tag_id
            WHERE held.origin_id <> held.profile_id
            """,
            columns[:2],
        )
        cursor.execute(
            """
            INSERT INTO tags_tagassignment
                (profile_id, origin_id, tag_id, value_id, expires_at, assigned_by_id, assigned_at, import_id)
            SELECT profile_id, profile_id, tag_id, value_id, expires_at, %s, %s, %s
            FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[])
                AS wanted (profile_id, tag_id, value_id, expires_at)
            ON CONFLICT (tag_id, profile_id) DO UPDATE
            SET origin_id = excluded.origin_id,
                value_id = excluded.value_id,
                expires_at = excluded.expires_at,
                assigned_by_id = excluded.assigned_by_id,
                assigned_at = excluded.assigned_at,
                import_id = excluded.import_id,
                is_ended = false
            """,
            [user.pk if user else None, now, import_id, *columns],
        )
        forget_own_displaced(*columns[:2])


def forget_own_displaced(profile_ids: Sequence[int], tag_ids: Sequence[int]) -> None:
    """Of each profile and tag, what gave way at a merge and was written on the profile itself: never to come back, now
    that something later is written there.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM tags_displacedtag AS displaced
            USING unnest(%s::bigint[], %s::bigint[]) AS written (profile_id, tag_id)
            WHERE displaced.profile_id = written.profile_id AND displaced.tag_id = written.tag_id
                AND displaced.origin_id = displaced.profile_id
            """,
            [list(profile_ids), list(tag_ids)],
        )


def keep_if_taken_back(wanted: Sequence[Assignment], *, but_by: Sequence[int]) -> None:
    """What an import wrote, other than these, is so by another word too, and stays when that is taken back."""
    columns = [list(column) for column in zip(*wanted, strict=True)] or [[], [], [], []]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE tags_tagassignment AS held
            SET import_id = NULL
            FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[])
                AS wanted (profile_id, tag_id, value_id, expires_at)
            WHERE held.tag_id = wanted.tag_id
                AND held.profile_id = wanted.profile_id
                AND held.import_id IS NOT NULL
                AND held.import_id <> ALL(%s::integer[])
                AND (held.value_id, held.expires_at) IS NOT DISTINCT FROM (wanted.value_id, wanted.expires_at)
            """,
            [*columns, list(but_by)],
        )
