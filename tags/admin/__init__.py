"""The pages of tags, and their part of the profile page."""

from tags.admin import filters, imports, tag

__all__ = ["filters", "imports", "tag"]
