"""The pages of segments and tiers."""

from segments.admin import filters, imports, segment, tiers

__all__ = ["filters", "imports", "segment", "tiers"]
