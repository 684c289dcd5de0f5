"""The pages of tags, and their part of the profile page."""

from tags.admin import bulk, filters, imports, tag, values

__all__ = ["bulk", "filters", "imports", "tag", "values"]
