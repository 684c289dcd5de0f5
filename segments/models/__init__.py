"""Tables of who belongs where."""

from segments.models.joining import BulkJoining
from segments.models.segment import DisplacedMembership, FormerMembership, Membership, MembershipChange, Segment
from segments.models.size import CountedFeed, SegmentDay, SizeAlert
from segments.models.tier import FormerStanding, Tier, TierChange, TierScheme, TierStanding

__all__ = [
    "BulkJoining",
    "CountedFeed",
    "DisplacedMembership",
    "FormerMembership",
    "FormerStanding",
    "Membership",
    "MembershipChange",
    "Segment",
    "SegmentDay",
    "SizeAlert",
    "Tier",
    "TierChange",
    "TierScheme",
    "TierStanding",
]
