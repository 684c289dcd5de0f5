"""The feeds of changes: rows in commit order, without gaps for a reader.

Sequences hand out ids at INSERT, so a reader of `id > n` would miss a row whose transaction commits late. Hence one
exclusive lock a feed, which outlives the commit: change rows are the last statements of their transaction, and nothing
else is locked after them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from cdp.copy import copy_rows
from cdp.locks import advisory_lock
from cdp.rules.causes import Cause
from segments.models import MembershipChange

FEED = "feed"


def lock_segment_feed() -> None:
    """Before rows of MembershipChange and `Segment.n_members` are written. Taken before the feed of tiers."""
    advisory_lock(FEED, "segments")


def lock_tier_feed() -> None:
    """Before rows of TierChange are written."""
    advisory_lock(FEED, "tiers")


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
