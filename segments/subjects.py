"""Segments and tier schemes, by name, where runs speak of them."""

from cdp.subjects import by_key, name_family
from segments.models import Segment, TierScheme

name_family("segment", by_key(Segment))
name_family("tier", by_key(TierScheme))
