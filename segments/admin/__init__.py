"""The pages of segments and tiers."""

from segments.admin import chosen, filters, imports, segment, tiers

__all__ = ["chosen", "filters", "imports", "segment", "tiers"]
