"""Feeds of changes, by key: what the API pages through, webhooks are told of, and the retention deletes from.

Each app registers its own in `<app>/feeds.py`. The ids of a feed are its commit order: rows are written under its lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.utils.functional import Promise

from cdp.webhooks.models import FeedStart


@dataclass(frozen=True)
class Feed:
    """Rows of `model`, which has `id` and `at`. `rows` gives `values()` of them, and `show` the JSON of one.

    `subject` is the lookup of the key of what changed, of which `subjects` lists (key, name); "" where there is no such
    thing. `has_causes`: rows say why, in `cause`. Who hears it needs `permission`.

    Old rows are deleted (cdp/retention.py), but for the last of each `state`, the columns of what a row is the state
    of, unless it says `ended`: as of any later moment they tell who was in. Without `state` all rows are kept.
    """

    key: str
    name: Promise
    model: type[Model]
    rows: Callable[[], QuerySet[Any, Any]]
    show: Callable[[dict[str, Any]], dict[str, Any]]
    permission: str
    subject: str = ""
    subjects: Callable[[], Iterable[tuple[str, str]]] = tuple
    has_causes: bool = True
    state: tuple[str, ...] = ()
    ended: Q = field(default_factory=Q)

    def head(self) -> int:
        """The id of the last change; 0 where there is none. All up to it are there to be read."""
        last: int | None = self.model._default_manager.order_by("-pk").values_list("pk", flat=True).first()
        return last or 0

    def start_after(self) -> int:
        """After which change it starts: what lies before is no longer complete."""
        return FeedStart.objects.filter(feed=self.key).values_list("after", flat=True).first() or 0

    def complete_since(self) -> datetime | None:
        """From when on all is known; None: from the first change on."""
        return FeedStart.objects.filter(feed=self.key).values_list("at", flat=True).first()

    def changes(self, *, subjects: Sequence[str], causes: Sequence[str]) -> QuerySet[Any, Any]:
        """The rows of these subjects and causes, in order; of all, where none is named."""
        rows = self.rows().order_by("id")
        if self.subject and subjects:
            rows = rows.filter(**{f"{self.subject}__in": subjects})
        if self.has_causes and causes:
            rows = rows.filter(cause__in=causes)
        return rows


_feeds: dict[str, Feed] = {}


def register_feed(feed: Feed) -> Feed:
    _feeds[feed.key] = feed
    return feed


def feeds() -> dict[str, Feed]:
    """All of them by key, in alphabetical order."""
    return dict(sorted(_feeds.items()))
