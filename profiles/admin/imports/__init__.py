"""Imports: from the upload of a file to its taking back, and the mappings that are kept for the next one."""

from profiles.admin.imports import pages, saved_mappings

__all__ = ["pages", "saved_mappings"]
