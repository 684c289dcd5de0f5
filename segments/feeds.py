"""The feeds of changes: rows in commit order, without gaps for a reader.

Sequences hand out ids at INSERT, so a reader of `id > n` would miss a row whose transaction commits late. Hence one
exclusive lock a feed, which outlives the commit: change rows are the last statements of their transaction, and nothing
else is locked after them.
"""

from cdp.locks import advisory_lock

FEED = "feed"


def lock_segment_feed() -> None:
    """Before rows of MembershipChange and `Segment.n_members` are written. Taken before the feed of tiers."""
    advisory_lock(FEED, "segments")


def lock_tier_feed() -> None:
    """Before rows of TierChange are written."""
    advisory_lock(FEED, "tiers")
