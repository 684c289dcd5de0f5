"""Profiles that may be one person: the search for them, and what people decide."""

from profiles.services.duplicates.bulk import MAX_REJECTED, queue_acceptance, reject_suggestions, to_accept_at_least
from profiles.services.duplicates.engine import NotInstalled, is_installed
from profiles.services.duplicates.review import (
    NotToReview,
    accept_suggestion,
    reject_suggestion,
    rejections_between,
    reopen_suggestion,
)
from profiles.services.duplicates.search import queue_search

__all__ = [
    "MAX_REJECTED",
    "NotInstalled",
    "NotToReview",
    "accept_suggestion",
    "is_installed",
    "queue_acceptance",
    "queue_search",
    "reject_suggestion",
    "reject_suggestions",
    "rejections_between",
    "reopen_suggestion",
    "to_accept_at_least",
]
