"""What keeps a list of segments in order: copies, snapshots of others, and the archive."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from cdp.audit import write_addition, write_change
from cdp.models import Run, User
from profiles.refresh.protection import protectors
from profiles.refresh.queue import queue_full_refresh
from profiles.refresh.saving import Archived, BeingFilled, StillUsed, check_rules, check_unused, lock_rules
from segments.models import Segment
from segments.services.fill import is_being_filled, queue_fill
from segments.services.segment import save_segment


@transaction.atomic
def duplicate_segment(source: Segment, *, key: str, name: str, user: User, as_snapshot: bool = False) -> Segment:
    """Another segment like `source`: with its rule, or with its members where they came by hand or were frozen.

    `as_snapshot` freezes who is in `source` now, of whatever kind it is. `user` owns the new one. Its members come by
    a run. Raises ValidationError or RuleError, as saving does; Archived for freezing one that no rule can name;
    BeingFilled where whom it says is not in yet, who would be missing for good.
    """
    lock_rules()
    is_frozen = as_snapshot or source.kind == Segment.Kind.SNAPSHOT
    if is_frozen and source.archived_at is not None:
        raise Archived(source.name)
    if (is_frozen or source.kind == Segment.Kind.STATIC) and is_being_filled(source):
        raise BeingFilled(source.name)
    copy = Segment(
        key=key,
        name=name,
        kind=Segment.Kind.SNAPSHOT if is_frozen else source.kind,
        category=source.category,
        description=source.description,
        alert_percent=source.alert_percent,
        owner=user,
        rule={"op": "segment", "key": source.key} if is_frozen else source.rule,
    )
    save_segment(copy, user=user)
    write_addition(user, copy, {"key": key, "name": name, "kind": copy.kind, "copy_of": source.key})
    if copy.kind == Segment.Kind.STATIC:
        queue_fill(copy, source=source, user=user)
    return copy


@transaction.atomic
def archive_segment(segment: Segment, *, user: User, now: datetime) -> None:
    """Take a segment out of use: it keeps its members and its feed, and is not refreshed. Twice is as once.

    Raises StillUsed, which names the rules and campaigns.
    """
    lock_rules()
    stored = Segment.objects.filter(pk=segment.pk)
    check_unused(f"segment:{segment.key}", segment.name)
    if users := protectors(stored):
        raise StillUsed(segment.name, users)
    if stored.current().update(archived_at=now):
        segment.archived_at = now
        write_change(user, segment, before={"archived_at": None}, after={"archived_at": now})


@transaction.atomic
def restore_segment(segment: Segment, *, user: User) -> Run | None:
    """Take a segment into use again; returns the full refresh that one by rule needs. Twice is as once.

    Raises RuleError where its rule speaks of what is gone by now.
    """
    lock_rules()
    stored = Segment.objects.select_for_update(no_key=True).get(pk=segment.pk)
    if stored.archived_at is None:
        return None
    if stored.kind == Segment.Kind.DYNAMIC:
        check_rules(f"segment:{stored.key}", {"": stored.rule})
    Segment.objects.filter(pk=stored.pk).update(archived_at=None)
    segment.archived_at = None
    write_change(user, segment, before={"archived_at": stored.archived_at}, after={"archived_at": None})
    return queue_full_refresh(f"segment:{stored.key}", user=user) if stored.kind == Segment.Kind.DYNAMIC else None
