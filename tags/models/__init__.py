"""Tables of what we say of profiles."""

from tags.models.score import Score
from tags.models.tag import Tag, TagAssignment, TagValue

__all__ = ["Score", "Tag", "TagAssignment", "TagValue"]
