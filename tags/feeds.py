"""The feed of who got, changed and lost tags; see cdp/feeds.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import TextChoices, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from cdp.copy import copy_rows
from cdp.feeds import Feed, FeedLock, lock_feed, register_feed
from cdp.models import User
from cdp.rules.causes import Cause
from cdp.rules.scope import Scope
from tags.models import Tag, TagAssignment, TagChange


class Change(NamedTuple):
    """What a profile carried and carries of a tag: the key of a value, "" without values, None where it does not."""

    tag_id: int
    profile_id: int
    before: str | None
    after: str | None


def lock_tag_feed() -> None:
    """Before rows of TagChange are written."""
    lock_feed(FeedLock.SEGMENTS_AND_TAGS)


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


def turn_of(before: str | None, after: str | None) -> Turn:
    if before is None:
        return Turn.ASSIGNED
    return Turn.REMOVED if after is None else Turn.CHANGED


def shown(values: dict[str, Any]) -> dict[str, Any]:
    """What a change was; null is no value, or no tag."""
    before, after = values["before"], values["after"]
    return {"change": turn_of(before, after).value, "before": before or None, "after": after or None}


TAGS = register_feed(
    Feed(
        key="tags",
        label=_("Tags"),
        name=_("Tags: who got, changed and lost them"),
        model=TagChange,
        columns=("before", "after"),
        what=shown,
        permission="tags.view_tagchange",
        subject="tag__key",
        subject_name="tag",
        holder="tag",
        subjects=lambda: Tag.objects.order_by("key").values_list("key", "name"),
    )
)
