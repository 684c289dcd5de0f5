"""The pages of tags, and their part of the profile page."""

from tags.admin import filters, tag

__all__ = ["filters", "tag"]
