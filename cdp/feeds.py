"""Feeds of changes, by key: what the API pages through, webhooks are told of, and the retention deletes from.

Each app registers its own in `<app>/feeds.py`. The ids of a feed are its commit order, without gaps for a reader.
Sequences hand out ids at INSERT, so who reads `id > n` would miss a row whose transaction commits late. Hence one
exclusive lock a feed, which outlives the commit: change rows are the last statements of their transaction, and nothing
but other feeds, in the order of `FeedLock`, is locked after them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from django.db.models import F, Model, Q, QuerySet
from django.utils.functional import Promise

from cdp.locks import advisory_lock
from cdp.stages import wake
from cdp.webhooks.models import FeedStart

STAGE = "feeds_changed"
DRIFT = timedelta(days=1)  # longer than any transaction lasts


class FeedLock(Enum):
    """What is locked before rows of a feed are written, in this order.

    Segments and tags have one: imports, merges and refreshes write both in one transaction, some the one first, some
    the other.
    """

    SEGMENTS_AND_TAGS = "segments"
    TIERS = "tiers"
    IDENTITY = "identity"


def lock_feed(lock: FeedLock) -> None:
    """Before rows of change are written; the feed's readers are told at the commit."""
    advisory_lock("feed", lock.value)
    wake(STAGE)


@dataclass(frozen=True)
class Feed:
    """Rows of `model`, which has `id` and `at`. `profile` is the lookup of the public id of whom a row is about.

    `label` is its name in a word. `columns` say what happened to them; `what` turns their values into JSON, where these
    are not it. `has_causes`: rows say why, in `cause`. `subject` is the lookup of the key of what changed, called
    `subject_name` in JSON, of which `subjects` lists (key, name); `holder` is what their holder keys start with; all
    are "" where there is no such thing. Who hears it needs `permission`.

    Old rows are deleted (cdp/retention.py), but for the last of each `state`, the columns of what a row is the state
    of, unless it says `ended`: as of any later moment they tell who was in. Without `state` all rows are kept.
    """

    key: str
    label: Promise
    name: Promise
    model: type[Model]
    columns: tuple[str, ...]
    permission: str
    what: Callable[[dict[str, Any]], dict[str, Any]] = dict
    profile: str = "profile__public_id"
    subject: str = ""
    subject_name: str = ""
    holder: str = ""
    subjects: Callable[[], Iterable[tuple[str, str]]] = tuple
    has_causes: bool = True
    state: tuple[str, ...] = ()
    ended: Q = field(default_factory=Q)

    def rows(self) -> QuerySet[Any, Any]:
        """Its rows as `show` takes them."""
        named = (*(["cause"] if self.has_causes else []), *([self.subject] if self.subject else []))
        return self.model._default_manager.values("id", "at", *self.columns, *named, public_id=F(self.profile))

    def show(self, row: dict[str, Any], *, with_subject: bool = True) -> dict[str, Any]:
        """JSON of a row; without its subject where the reader has asked for that one."""
        shown = {"id": row["id"], "profile": row["public_id"]} | self.what({name: row[name] for name in self.columns})
        if self.has_causes:
            shown["cause"] = row["cause"]
        shown["at"] = row["at"]
        if self.subject and with_subject:
            shown[self.subject_name] = row[self.subject]
        return shown

    def head(self) -> int:
        """The id of the last change; 0 where there is none. All up to it are there to be read."""
        last: int | None = self.model._default_manager.order_by("-pk").values_list("pk", flat=True).first()
        return last or 0

    def start_after(self) -> int:
        """After which change it starts: what lies before is no longer complete."""
        return FeedStart.objects.filter(feed=self.key).values_list("after", flat=True).first() or 0

    def after_moment(self, moment: datetime) -> int:
        """After which change all come that happened at a moment or later, and as few others as that allows.

        Rows stand in the order of their commits, and `at` is when their work began: no row is more than DRIFT older
        than one before it. So halving finds a place from which on to look at the rows of a day.
        """
        rows = self.model._default_manager.order_by("pk")
        low, high = self.start_after(), self.head()
        last = high
        while low < high:
            middle = (low + high) // 2
            found = rows.filter(pk__gt=middle, pk__lte=high).values_list("pk", "at").first()
            if found is None or found[1] >= moment - DRIFT:
                high = middle
            else:
                low = found[0]
        first: int | None = rows.filter(pk__gt=low, at__gte=moment).values_list("pk", flat=True).first()
        return last if first is None else first - 1

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
