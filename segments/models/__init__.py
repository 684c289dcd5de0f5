"""Tables of who belongs where."""

from segments.models.segment import Membership, MembershipChange, Segment
from segments.models.tier import Tier, TierChange, TierScheme, TierStanding

__all__ = [
    "Membership",
    "MembershipChange",
    "Segment",
    "Tier",
    "TierChange",
    "TierScheme",
    "TierStanding",
]
