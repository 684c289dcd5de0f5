"""What may be done to segments and tier schemes."""

from segments.services.members import add_members, remove_members
from segments.services.segment import delete_segment, restore_segment_rule, save_segment
from segments.services.tier import delete_tier_scheme, restore_tier_rules, save_tier_scheme
from segments.services.upkeep import archive_segment, duplicate_segment, restore_segment

__all__ = [
    "add_members",
    "archive_segment",
    "delete_segment",
    "delete_tier_scheme",
    "duplicate_segment",
    "remove_members",
    "restore_segment",
    "restore_segment_rule",
    "restore_tier_rules",
    "save_segment",
    "save_tier_scheme",
]
