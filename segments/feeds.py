"""The feeds of who came and went, and of who moved between tiers; see cdp/feeds.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cdp.copy import copy_rows
from cdp.feeds import Feed, FeedLock, lock_feed, register_feed
from cdp.rules.causes import Cause
from segments.models import MembershipChange, Segment, TierChange, TierScheme


def lock_segment_feed() -> None:
    """Before rows of MembershipChange and `Segment.n_members` are written. Taken before the feed of tiers."""
    lock_feed(FeedLock.SEGMENTS_AND_TAGS)


def lock_tier_feed() -> None:
    """Before rows of TierChange are written."""
    lock_feed(FeedLock.TIERS)


def write_moves(
    entered: Sequence[tuple[int, int]], left: Sequence[tuple[int, int]], *, cause: Cause, now: datetime
) -> None:
    """Rows of MembershipChange for who left and who entered, as (segment, profile), and the segments' counts.

    The last of its transaction, but for other feeds.
    """
    changes = [(MembershipChange.Change.LEFT, left), (MembershipChange.Change.ENTERED, entered)]
    write_changes([(*move, change, cause) for change, moves in changes for move in moves], now=now)


def write_changes(changes: Sequence[tuple[int, int, MembershipChange.Change, Cause]], *, now: datetime) -> None:
    """The same, in this order, as (segment, profile, change, cause)."""
    if not changes:
        return
    lock_segment_feed()
    columns = ["segment_id", "profile_id", "change", "cause", "at"]
    copy_rows(MembershipChange._meta.db_table, columns, ((*change, now) for change in changes))
    grown: Counter[int] = Counter()
    for segment_id, _profile_id, change, _cause in changes:
        grown[segment_id] += 1 if change == MembershipChange.Change.ENTERED else -1
    # A count that is off for whatever reason must not stop the refresh; the next full one counts anew.
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE segments_segment AS segment
            SET n_members = greatest(segment.n_members + grown.by, 0)
            FROM unnest(%s::bigint[], %s::integer[]) AS grown (segment_id, by)
            WHERE segment.id = grown.segment_id
            """,
            [list(grown.keys()), list(grown.values())],
        )


SEGMENTS = register_feed(
    Feed(
        key="segments",
        label=_("Segments"),
        name=_("Segments: who came and went"),
        model=MembershipChange,
        columns=("change",),
        permission="segments.view_membershipchange",
        subject="segment__key",
        subject_name="segment",
        holder="segment",
        state=("segment_id", "profile_id"),
        ended=Q(change=MembershipChange.Change.LEFT),
        subjects=lambda: Segment.objects.order_by("key").values_list("key", "name"),
    )
)
TIERS = register_feed(
    Feed(
        key="tiers",
        label=_("Tier schemes"),
        name=_("Tier schemes: who moved"),
        model=TierChange,
        columns=("before", "after"),
        permission="segments.view_tierchange",
        subject="scheme__key",
        subject_name="scheme",
        holder="tier",
        state=("scheme_id", "profile_id"),
        ended=Q(after__isnull=True),
        subjects=lambda: TierScheme.objects.order_by("key").values_list("key", "name"),
    )
)
