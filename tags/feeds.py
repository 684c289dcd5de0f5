"""The feed of changes of tags: rows in commit order, without gaps for a reader.

See `segments/feeds.py` for why there is one lock, and why it comes last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import F, QuerySet, TextChoices, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from cdp.copy import copy_rows
from cdp.feeds import Feed, register_feed
from cdp.locks import advisory_lock
from cdp.models import User
from cdp.rules.causes import Cause
from cdp.rules.scope import Scope
from cdp.stages import wake
from tags.models import Tag, TagAssignment, TagChange


class Change(NamedTuple):
    """What a profile carried and carries of a tag: the key of a value, "" without values, None where it does not."""

    tag_id: int
    profile_id: int
    before: str | None
    after: str | None


def lock_tag_feed() -> None:
    """Before rows of TagChange are written.

    It is the lock of the segments' feed: imports, merges and refreshes write both in one transaction, some the one
    first, some the other.
    """
    advisory_lock("feed", "segments")
    wake("feeds_changed")


def write_changes(
    changes: Iterable[Change],
    *,
    cause: Cause,
    now: datetime,
    user: User | None = None,
    rule_version: int | None = None,
    run_id: int | None = None,
) -> None:
    """The last of its transaction, but for other feeds."""
    rows = [(*change, cause, user.pk if user else None, rule_version, run_id, now) for change in changes]
    if not rows:
        return
    lock_tag_feed()
    copy_rows(
        TagChange._meta.db_table,
        ["tag_id", "profile_id", "before", "after", "cause", "by_id", "rule_version", "run_id", "at"],
        rows,
    )


@contextmanager
def recording(
    profile_ids: Sequence[int],
    *,
    cause: Cause,
    now: datetime,
    tag_ids: Sequence[int] | None = None,
    user: User | None = None,
    run_id: int | None = None,
) -> Iterator[None]:
    """What the block makes of the tags of these profiles, of all tags or some: one row where that is another at its
    end than at its start. Inside a transaction that holds the locks of the profiles, as its last step.
    """
    before = carried(profile_ids, tag_ids)
    yield
    after = carried(profile_ids, tag_ids)
    changes = [Change(*key, before.get(key), after.get(key)) for key in sorted(before.keys() | after.keys())]
    changed = (each for each in changes if each.before != each.after)
    write_changes(changed, cause=cause, now=now, user=user, run_id=run_id)


def carried(profile_ids: Sequence[int], tag_ids: Sequence[int] | None) -> dict[tuple[int, int], str]:
    """The keys of the values that the profiles carry, by tag and profile; "" where the tag has none."""
    rows = TagAssignment.objects.filter(Scope(list(profile_ids)).on("profile_id"), is_ended=False)
    if tag_ids is not None:
        rows = rows.filter(tag__in=tag_ids)
    found = rows.values_list("tag_id", "profile_id", Coalesce("value__key", Value("")))
    return {(tag_id, profile_id): key for tag_id, profile_id, key in found}


class Turn(TextChoices):
    """What a change is to who carries the tag."""

    ASSIGNED = "assigned", _("Assigned")
    CHANGED = "changed", _("Changed")
    REMOVED = "removed", _("Removed")


def tag_changes() -> QuerySet[TagChange, Any]:
    """Changes of all tags."""
    return TagChange.objects.values(
        "id", "before", "after", "cause", "at", public_id=F("profile__public_id"), tag_key=F("tag__key")
    )


def turn_of(before: str | None, after: str | None) -> Turn:
    if before is None:
        return Turn.ASSIGNED
    return Turn.REMOVED if after is None else Turn.CHANGED


def show_change(row: dict[str, Any]) -> dict[str, Any]:
    """A change of one tag."""
    return {
        "id": row["id"],
        "profile": row["public_id"],
        "change": turn_of(row["before"], row["after"]).value,
        "before": row["before"] or None,
        "after": row["after"] or None,
        "cause": row["cause"],
        "at": row["at"],
    }


def show_change_of_any(row: dict[str, Any]) -> dict[str, Any]:
    """A change in the feed of all tags."""
    return show_change(row) | {"tag": row["tag_key"]}


TAGS = register_feed(
    Feed(
        key="tags",
        name=_("Tags: who got, changed and lost them"),
        model=TagChange,
        rows=tag_changes,
        show=show_change_of_any,
        permission="tags.view_tagchange",
        subject="tag__key",
        subjects=lambda: Tag.objects.order_by("key").values_list("key", "name"),
    )
)
