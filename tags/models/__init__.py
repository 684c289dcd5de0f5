"""Tables of what we say of profiles."""

from tags.models.bulk import BulkTagging, TaggedBefore
from tags.models.change import TagChange
from tags.models.day import CountedTags, TagDay
from tags.models.score import Score
from tags.models.tag import FILLED_BY_FILES, FILLED_BY_RULE, DisplacedTag, Tag, TagAssignment, TagValue

__all__ = [
    "FILLED_BY_FILES",
    "FILLED_BY_RULE",
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
