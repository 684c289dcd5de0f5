"""Saving and deleting segments."""

from __future__ import annotations

from django.db import transaction

from cdp.models import Run, User
from profiles.refresh.queue import queue_full_refresh
from profiles.refresh.saving import check_key, check_rules, check_version, delete_unused, lock_rules
from segments.models import Segment

EDITABLE = ["name", "kind", "description", "rule", "rule_version"]


@transaction.atomic
def save_segment(segment: Segment, *, user: User | None = None, expected_version: int | None = None) -> Run | None:
    """Check and write a new or edited segment; returns the full refresh that a new rule needs, else None.

    `expected_version` is the `rule_version` that the editor saw; without it the edit wins over whatever is stored.

    Raises:
        VersionConflict, RuleError (also for a circle of rules), ValidationError. Nothing is written then.
    """
    lock_rules()
    stored = Segment.objects.select_for_update().filter(pk=segment.pk).first()
    check_key(segment, stored=stored)
    if stored is not None:
        check_version(expected_version, current=stored.rule_version)
    check_rules(f"segment:{segment.key}", {"": segment.rule})
    segment.full_clean()
    if stored is None:
        segment.save()
    else:
        is_changed = segment.rule != stored.rule
        segment.rule_version = stored.rule_version + is_changed
        segment.save(update_fields=EDITABLE)
        if not is_changed:
            return None
    return queue_full_refresh(f"segment:{segment.key}", user=user)


@transaction.atomic
def delete_segment(segment: Segment) -> None:
    """Delete a segment with its members and its feed. Raises StillUsed, which names the rules and campaigns."""
    lock_rules()
    delete_unused(segment, f"segment:{segment.key}")
