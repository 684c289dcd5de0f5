"""Members by hand: putting people into a static segment, and taking them out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from cdp.models import User
from cdp.rules.causes import Cause
from cdp.rules.scope import Scope
from profiles.refresh.enqueue import enqueue_changes
from profiles.refresh.people import lock_profiles, lock_survivors
from segments.feeds import write_moves
from segments.followers.by_hand import restore_displaced
from segments.models import DisplacedMembership, Membership, Segment
from segments.services.hold import hold_segment
from segments.services.segment import check_in_use


class Added(NamedTuple):
    """Numbers of profiles: who came in, and who was in already; and the ids that are nobody's."""

    added: int
    unchanged: int
    unknown: list[int]


class Removed(NamedTuple):
    """Numbers of profiles: who was taken out, and who was not in; and the ids that are nobody's."""

    removed: int
    unchanged: int
    unknown: list[int]


class TakenBack(NamedTuple):
    """How many are out, and how many rows were looked at: none when nothing is left."""

    n_left: int
    n_rows: int


class Wanted(NamedTuple):
    """That a profile be in a segment, by ids."""

    segment_id: int
    profile_id: int


class Locked(NamedTuple):
    """Profiles that stand for a person, locked, and the ids that named nobody."""

    profile_ids: list[int]
    unknown: list[int]


@transaction.atomic
def add_members(
    segment: Segment,
    profile_ids: Iterable[int],
    *,
    user: User | None = None,
    now: datetime,
    cause: Cause = Cause.MANUAL,
    import_id: int | None = None,
) -> Added:
    """Put profiles into a static segment; who is in already stays in since when they were.

    Ids that were merged away mean their survivors. Raises ValidationError for any other, and for one that is archived
    or gone by now.
    """
    check_static(segment)
    locked, unknown = lock_named(profile_ids)
    check_static(hold_segment(segment.pk))
    wanted = [Wanted(segment.pk, profile_id) for profile_id in locked]
    keep_if_taken_back(wanted, but_by=[import_id] if import_id else [])
    added = add_each(wanted, user=user, now=now, cause=cause, import_id=import_id)
    return Added(added, len(locked) - added, unknown)


@transaction.atomic
def remove_members(segment: Segment, profile_ids: Iterable[int], *, now: datetime) -> Removed:
    """Take profiles out of a static segment; ids as for `add_members`. Raises ValidationError for one by rule."""
    check_static(segment)
    locked, unknown = lock_named(profile_ids)
    people = Scope(locked).on("profile_id")
    members = Membership.objects.filter(people, segment=segment)
    left = list(members.order_by("profile_id").values_list("profile_id", flat=True))
    members.delete()
    DisplacedMembership.objects.filter(people, segment=segment).delete()
    enqueue_changes(left, f"segment:{segment.key}", due_at=now)
    write_moves([], [(segment.pk, profile_id) for profile_id in left], cause=Cause.MANUAL, now=now)
    return Removed(len(left), len(locked) - len(left), unknown)


@transaction.atomic
def take_back_written(written: Q, *, cause: Cause, now: datetime, limit: int) -> TakenBack:
    """Take out those whom one work put in, at most `limit`; `written` names its rows, also of those that gave way.

    Who was in before as another, with whom they merged, stays in since then.
    """
    found = list(Membership.objects.filter(written).order_by("pk").values_list("pk", "profile_id")[:limit])
    lock_profiles(sorted({profile_id for _pk, profile_id in found}))
    n_displaced, _by_model = DisplacedMembership.objects.filter(written).delete()
    still = Membership.objects.filter(written, Scope([pk for pk, _profile in found]).on("pk"))
    gone = sorted(still.values_list("segment_id", "profile_id"))
    still.delete()
    back: set[tuple[int, int]] = set()
    for segment_id in sorted({segment_id for segment_id, _profile in gone}):
        back |= set(restore_displaced([pk for each, pk in gone if each == segment_id], [segment_id]))
    left = [move for move in gone if move not in back]
    enqueue_topics(gone, now=now)
    write_moves([], left, cause=cause, now=now)
    return TakenBack(len(left), len(found) + n_displaced)


def check_static(segment: Segment) -> None:
    if segment.kind == Segment.Kind.DYNAMIC:
        raise ValidationError(_("“%(segment)s” is filled by its rule, not by hand.") % {"segment": segment.name})
    if segment.kind == Segment.Kind.SNAPSHOT:
        raise ValidationError(_("“%(segment)s” is a snapshot: it stays as it was frozen.") % {"segment": segment.name})
    check_in_use(segment)


def lock_named(profile_ids: Iterable[int]) -> Locked:
    """Who these ids are now."""
    named = list(dict.fromkeys(profile_ids))
    current = lock_survivors(named)
    return Locked(sorted(set(current.values())), [pk for pk in named if pk not in current])


def missing(wanted: Sequence[Wanted]) -> list[Wanted]:
    """Those who are not in yet, each once."""
    held = Membership.objects.filter(
        Scope([each.profile_id for each in wanted]).on("profile_id"), segment__in={each.segment_id for each in wanted}
    )
    known = set(held.values_list("segment_id", "profile_id"))
    return [each for each in dict.fromkeys(wanted) if each not in known]


def add_each(
    wanted: Sequence[Wanted],
    *,
    user: User | None,
    now: datetime,
    cause: Cause,
    import_id: int | None = None,
) -> int:
    """Put profiles into static segments; returns how many came in.

    In a transaction that holds the locks of the profiles, and ends with this but for other feeds.
    """
    new = sorted(missing(wanted))
    if not new:
        return 0
    segment_ids, profile_ids = (list(column) for column in zip(*new, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO segments_membership (segment_id, profile_id, origin_id, entered_at, added_by_id, import_id)
            SELECT segment_id, profile_id, profile_id, %s, %s, %s
            FROM unnest(%s::bigint[], %s::bigint[]) AS wanted (segment_id, profile_id)
            """,
            [now, user.pk if user else None, import_id, segment_ids, profile_ids],
        )
    enqueue_topics(new, now=now)
    write_moves(new, [], cause=cause, now=now)
    return len(new)


def keep_if_taken_back(wanted: Sequence[Wanted], *, but_by: Sequence[int]) -> None:
    """Who is in by an import, other than these, is so by another word too, and stays when that is taken back."""
    segment_ids = [each.segment_id for each in wanted]
    profile_ids = [each.profile_id for each in wanted]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE segments_membership AS held
            SET import_id = NULL
            FROM unnest(%s::bigint[], %s::bigint[]) AS wanted (segment_id, profile_id)
            WHERE held.segment_id = wanted.segment_id
                AND held.profile_id = wanted.profile_id
                AND held.import_id IS NOT NULL
                AND held.import_id <> ALL(%s::integer[])
            """,
            [segment_ids, profile_ids, list(but_by)],
        )


def enqueue_topics(moved: Iterable[tuple[int, int]], *, now: datetime) -> None:
    """What speaks of these segments is judged again for these profiles; moves are (segment, profile)."""
    by_segment: dict[int, list[int]] = {}
    for segment_id, profile_id in moved:
        by_segment.setdefault(segment_id, []).append(profile_id)
    for segment_id, key in Segment.objects.filter(pk__in=by_segment).order_by("pk").values_list("pk", "key"):
        enqueue_changes(by_segment[segment_id], f"segment:{key}", due_at=now)
