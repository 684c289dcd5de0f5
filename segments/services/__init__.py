"""What may be done to segments and tier schemes."""

from segments.services.segment import delete_segment, save_segment
from segments.services.tier import delete_tier_scheme, save_tier_scheme

__all__ = ["delete_segment", "delete_tier_scheme", "save_segment", "save_tier_scheme"]
