"""What may be done to segments and tier schemes."""

from segments.services.members import add_members, remove_members
from segments.services.segment import delete_segment, save_segment
from segments.services.tier import delete_tier_scheme, save_tier_scheme

__all__ = [
    "add_members",
    "delete_segment",
    "delete_tier_scheme",
    "remove_members",
    "save_segment",
    "save_tier_scheme",
]
