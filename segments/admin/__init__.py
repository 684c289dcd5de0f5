"""The pages of segments and tiers."""

from segments.admin import filters, segment, tiers

__all__ = ["filters", "segment", "tiers"]
