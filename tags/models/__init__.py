"""Tables of what we say of profiles."""

from tags.models.bulk import BulkTagging, TaggedBefore
from tags.models.change import TagChange
from tags.models.day import CountedTags, TagDay
from tags.models.score import Score
from tags.models.tag import DisplacedTag, Tag, TagAssignment, TagValue

__all__ = [
    "BulkTagging",
    "CountedTags",
    "DisplacedTag",
    "Score",
    "Tag",
    "TagAssignment",
    "TagChange",
    "TagDay",
    "TagValue",
    "TaggedBefore",
]
