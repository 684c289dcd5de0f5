"""Saving and deleting segments."""

from __future__ import annotations

from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from cdp.locks import lock_edited
from cdp.models import Run, User
from profiles.refresh.queue import queue_full_refresh
from profiles.refresh.saving import Archived, check_key, check_rules, check_version, delete_unused, differ, lock_rules
from profiles.refresh.versions import rules_of_version, single, write_version
from segments.models import Segment
from segments.services.fill import queue_fill

EDITABLE = ["name", "category", "owner", "description", "alert_percent", "rule", "rule_version"]


@transaction.atomic
def save_segment(
    segment: Segment,
    *,
    user: User | None = None,
    expected_version: int | None = None,
    changed: Collection[str] | None = None,
) -> Run | None:
    """Check and write a new or edited segment; returns the full refresh, or filling, that a new rule needs, else None.

    A static one has no rule, a snapshot keeps that which it was frozen by. The kind stays as it was made.

    `expected_version` is the `rule_version` that the editor saw; without it the edit wins over whatever is stored.
    Of a segment that is there the `changed` fields are saved; None: all.

    Raises:
        VersionConflict, RuleError (also for a circle of rules), ValidationError. Nothing is written then.
    """
    lock_rules()
    stored = lock_edited(segment, changed)
    check_key(segment, stored=stored)
    if stored is not None:
        check_version(expected_version, current=stored.rule_version)
        if stored.kind != segment.kind:
            raise ValidationError({"kind": _("The kind cannot be changed: make another segment.")})
        check_in_use(stored)
        if stored.kind == Segment.Kind.SNAPSHOT and differ(stored.rule, segment.rule):
            raise ValidationError({"rule": _("A snapshot stays as it was frozen: make another one.")})
    if stored is None or segment.kind != Segment.Kind.SNAPSHOT:
        check_rule(segment)
    segment.full_clean()
    if stored is None:
        segment.save()
    else:
        is_changed = differ(stored.rule, segment.rule)
        segment.rule_version = stored.rule_version + is_changed
        segment.save(update_fields=EDITABLE)
        if not is_changed:
            return None
    if segment.kind != Segment.Kind.STATIC:
        write_version(f"segment:{segment.key}", segment.rule_version, single(segment.rule), user=user)
    if segment.kind == Segment.Kind.SNAPSHOT:
        return queue_fill(segment, user=user)
    return queue_full_refresh(f"segment:{segment.key}", user=user) if segment.kind == Segment.Kind.DYNAMIC else None


def check_rule(segment: Segment) -> None:
    """Whether rule and kind fit together. Raises ValidationError or RuleError."""
    if segment.kind != Segment.Kind.STATIC:
        check_rules(f"segment:{segment.key}", {"": segment.rule})
    elif segment.rule is not None:
        raise ValidationError({"rule": _("A segment by hand has no rule.")})


def check_in_use(segment: Segment) -> None:
    """Raises Archived."""
    if segment.archived_at is not None:
        raise Archived(segment.name)


@transaction.atomic
def restore_segment_rule(segment: Segment, version: int, *, user: User | None) -> Run | None:
    """Give a segment the rule that it had in `version`, as a new version; None where it has this rule now.

    Raises RuleVersion.DoesNotExist, and what saving raises.
    """
    lock_rules()
    stored = Segment.objects.get(pk=segment.pk)
    stored.rule = rules_of_version(f"segment:{stored.key}", version)[0]["rule"]
    return save_segment(stored, user=user)


@transaction.atomic
def delete_segment(segment: Segment) -> None:
    """Delete a segment with its members and its feed. Raises StillUsed, which names the rules and campaigns."""
    lock_rules()
    delete_unused(segment, f"segment:{segment.key}")
