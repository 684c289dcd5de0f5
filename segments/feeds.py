"""The feeds of changes: rows in commit order, without gaps for a reader.

Sequences hand out ids at INSERT, so a reader of `id > n` would miss a row whose transaction commits late. Hence one
exclusive lock a feed, which outlives the commit: change rows are the last statements of their transaction, and nothing
else is locked after them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from cdp.copy import copy_rows
from cdp.feeds import Feed, register_feed
from cdp.locks import advisory_lock
from cdp.rules.causes import Cause
from cdp.stages import wake
from segments.models import MembershipChange, Segment, TierChange, TierScheme

FEED = "feed"


def lock_segment_feed() -> None:
    """Before rows of MembershipChange and `Segment.n_members` are written. Taken before the feed of tiers."""
    advisory_lock(FEED, "segments")
    wake("feeds_changed")


def lock_tier_feed() -> None:
    """Before rows of TierChange are written."""
    advisory_lock(FEED, "tiers")
    wake("feeds_changed")


def write_moves(
    entered: Sequence[tuple[int, int]], left: Sequence[tuple[int, int]], *, cause: Cause, now: datetime
) -> None:
    """Rows of MembershipChange for who left and who entered, as (segment, profile), and the segments' counts.

    The last of its transaction, but for other feeds.
    """
    if not entered and not left:
        return
    lock_segment_feed()
    changes = [(MembershipChange.Change.LEFT, left), (MembershipChange.Change.ENTERED, entered)]
    copy_rows(
        MembershipChange._meta.db_table,
        ["segment_id", "profile_id", "change", "cause", "at"],
        ((segment_id, profile_id, change, cause, now) for change, rows in changes for segment_id, profile_id in rows),
    )
    grown = Counter(segment_id for segment_id, _profile in entered)
    grown.subtract(segment_id for segment_id, _profile in left)
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


def segment_changes() -> QuerySet[MembershipChange, Any]:
    """Entries and exits of all segments, as plain rows."""
    return MembershipChange.objects.values(
        "id", "change", "cause", "at", public_id=F("profile__public_id"), segment_key=F("segment__key")
    )


def show_change(row: dict[str, Any]) -> dict[str, Any]:
    """A change of one segment."""
    return {
        "id": row["id"],
        "profile": row["public_id"],
        "change": row["change"],
        "cause": row["cause"],
        "at": row["at"],
    }


def show_change_of_any(row: dict[str, Any]) -> dict[str, Any]:
    """A change in the feed of all segments."""
    return show_change(row) | {"segment": row["segment_key"]}


def tier_changes() -> QuerySet[TierChange, Any]:
    """Moves in all tier schemes, as plain rows."""
    return TierChange.objects.values(
        "id", "before", "after", "cause", "at", public_id=F("profile__public_id"), scheme_key=F("scheme__key")
    )


def show_tier_change(row: dict[str, Any]) -> dict[str, Any]:
    """A move in one scheme."""
    return {
        "id": row["id"],
        "profile": row["public_id"],
        "before": row["before"],
        "after": row["after"],
        "cause": row["cause"],
        "at": row["at"],
    }


def show_tier_change_of_any(row: dict[str, Any]) -> dict[str, Any]:
    """A move in the feed of all schemes."""
    return show_tier_change(row) | {"scheme": row["scheme_key"]}


SEGMENTS = register_feed(
    Feed(
        key="segments",
        name=_("Segments: who came and went"),
        model=MembershipChange,
        rows=segment_changes,
        show=show_change_of_any,
        permission="segments.view_membershipchange",
        subject="segment__key",
        state=("segment_id", "profile_id"),
        ended=Q(change=MembershipChange.Change.LEFT),
        subjects=lambda: Segment.objects.order_by("key").values_list("key", "name"),
    )
)
TIERS = register_feed(
    Feed(
        key="tiers",
        name=_("Tier schemes: who moved"),
        model=TierChange,
        rows=tier_changes,
        show=show_tier_change_of_any,
        permission="segments.view_tierchange",
        subject="scheme__key",
        state=("scheme_id", "profile_id"),
        ended=Q(after__isnull=True),
        subjects=lambda: TierScheme.objects.order_by("key").values_list("key", "name"),
    )
)
