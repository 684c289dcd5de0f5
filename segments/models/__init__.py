"""Tables of who belongs where."""

from segments.models.segment import DisplacedMembership, FormerMembership, Membership, MembershipChange, Segment
from segments.models.tier import FormerStanding, Tier, TierChange, TierScheme, TierStanding

__all__ = [
    "DisplacedMembership",
    "FormerMembership",
    "FormerStanding",
    "Membership",
    "MembershipChange",
    "Segment",
    "Tier",
    "TierChange",
    "TierScheme",
    "TierStanding",
]
