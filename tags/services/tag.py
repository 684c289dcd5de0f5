"""Saving and deleting tags."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from cdp.audit import write_change
from cdp.locks import lock_edited
from cdp.models import Run, User
from cdp.rules.causes import Cause
from profiles.refresh.queue import queue_full_refresh
from profiles.refresh.saving import (
    Archived,
    StillUsed,
    check_key,
    check_keys_differ,
    check_parts_unused,
    check_rules,
    check_unused,
    check_version,
    delete_unused,
    differ,
    lock_rules,
    match_parts,
)
from profiles.refresh.versions import RulePart, rules_of_version, single, write_version
from tags.bands import check_bands
from tags.feeds import Change, write_changes
from tags.models import Tag, TagAssignment, TaggedBefore, TagValue

NO_RULES = {
    Tag.Kind.MANUAL: gettext_lazy("A tag by hand has no rules."),
    Tag.Kind.IMPORTED: gettext_lazy("A tag by import has no rules."),
}
MAX_VALUES, MAX_RULES = 1_000, 200
BATCH = 500  # values a statement
EDITABLE = ["name", "lifecycle", "category", "owner", "description", "expires_after_days", "rule", "rule_version"]


@transaction.atomic
def save_tag(
    tag: Tag,
    *,
    values: Sequence[TagValue] | None = None,
    user: User | None = None,
    expected_version: int | None = None,
    changed: Collection[str] | None = None,
) -> Run | None:
    """Check and write a new or edited tag; returns the full refresh that new rules of a rule tag need, else None.

    A draft is not filled until it becomes active. Nothing of an archived tag is edited but that it is restored.

    `values` are all its values in the order of their rules, and replace those stored: each is matched by its id, else
    by its key. None leaves them as they are. A rule tag has one rule, or values with a rule each. `expected_version`
    is the `rule_version` that the editor saw; without it the edit wins over whatever is stored. Of a tag that is there
    the `changed` fields are saved; None: all.

    Raises:
        VersionConflict, RuleError (paths such as `values[0].rule.all[1].op`), ValidationError, StillUsed where a value
        that people carry or that rules speak of would go, or a tag into the archive that rules speak of. Nothing is
        written then.
    """
    lock_rules()
    stored = lock_edited(tag, changed, is_exclusive=True)
    check_key(tag, stored=stored)
    if stored is not None:
        check_version(expected_version, current=stored.rule_version)
        if stored.kind != tag.kind:
            raise ValidationError({"kind": _("The kind cannot be changed: make another tag.")})
    check_lifecycle(tag, stored=stored)
    before = list(stored.values.all()) if stored else []
    wanted = before if values is None else list(values)
    check_number(tag, wanted, n_before=len(before))
    check_values(tag, wanted)
    tag.full_clean()
    is_changed = stored is None or differ([stored.rule, ladder(before)], [tag.rule, ladder(wanted)])
    if stored is None:
        tag.save()
    else:
        tag.rule_version = stored.rule_version + is_changed
        tag.save(update_fields=EDITABLE)
    if is_changed and tag.is_by_rule:
        write_version(f"tag:{tag.key}", tag.rule_version, rule_parts(tag, wanted), user=user)
    run = queue_if_needed(tag, stored=stored, is_changed=is_changed, user=user)
    write_values(tag, wanted, user=user, now=timezone.now())
    return run


def queue_if_needed(tag: Tag, *, stored: Tag | None, is_changed: bool, user: User | None) -> Run | None:
    """A full refresh of a tag by rule in use whose rules changed, or that was not in use before."""
    if not tag.is_by_rule or tag.lifecycle != Tag.Lifecycle.ACTIVE:
        return None
    is_new_in_use = stored is None or stored.lifecycle != Tag.Lifecycle.ACTIVE
    return queue_full_refresh(f"tag:{tag.key}", user=user) if is_changed or is_new_in_use else None


def check_lifecycle(tag: Tag, *, stored: Tag | None) -> None:
    """Raises Archived, ValidationError for a step that there is not, StillUsed for archiving what others refer to."""
    before, after = stored.lifecycle if stored else Tag.Lifecycle.DRAFT, tag.lifecycle
    if stored is None and after == Tag.Lifecycle.ARCHIVED:
        raise ValidationError({"lifecycle": _("A new tag is a draft or active.")})
    if stored is not None and after == Tag.Lifecycle.DRAFT and before != after:
        raise ValidationError({"lifecycle": _("What was in use is no draft any more: archive it.")})
    if before == after == Tag.Lifecycle.ARCHIVED:
        raise Archived(tag.name)
    if before != after == Tag.Lifecycle.ARCHIVED:
        check_unused(f"tag:{tag.key}", tag.name)


def ladder(values: Sequence[TagValue]) -> list[tuple[str, Any]]:
    """What decides who carries which value."""
    return [(value.key, value.rule) for value in values]


def check_number(tag: Tag, values: Sequence[TagValue], *, n_before: int) -> None:
    """Raises ValidationError for more values than pages can show; a tag that has more already may stay so."""
    most = MAX_RULES if tag.is_by_rule else MAX_VALUES
    if len(values) > max(most, n_before):
        problem = _("A tag has at most %(most)s values; what has more, such as a shop or a product, is an attribute.")
        raise ValidationError({"values": problem % {"most": f"{most:,}"}})


def check_values(tag: Tag, values: Sequence[TagValue]) -> None:
    """Whether rule, values and kind fit together. Raises ValidationError or RuleError."""
    check_keys_differ("values", values, _("The keys of the values must differ: %(keys)s."))
    rules = {f"values[{place}].rule": value.rule for place, value in enumerate(values)}
    if not tag.is_by_rule:
        given = [place for place, rule in {"rule": tag.rule, **rules}.items() if rule is not None]
        if given:
            raise ValidationError(dict.fromkeys(given, NO_RULES[Tag.Kind(tag.kind)]))
        return
    if tag.kind == Tag.Kind.SCORE:
        if not values:
            raise ValidationError({"values": _("A tag by score needs values, each a band of the score.")})
        check_bands(values)
    if not rules:
        rules = {"": tag.rule}
    elif tag.rule is not None:
        raise ValidationError({"rule": _("A tag has one rule, or a rule for each of its values, not both.")})
    if tag.expires_after_days is not None:
        raise ValidationError({"expires_after_days": _("What a rule assigns stays for as long as the rule holds.")})
    if missing := [place or "rule" for place, rule in rules.items() if rule is None]:
        needed = _("A tag by rule needs one rule, or a rule for each of its values.")
        raise ValidationError(dict.fromkeys(missing, needed))
    check_rules(f"tag:{tag.key}", rules)


def write_values(tag: Tag, values: Sequence[TagValue], *, user: User | None, now: datetime) -> None:
    """Replace the values of the tag. What a rule had assigned goes with its value, and is followed by the refresh.

    That goes into the feed: the last step of its transaction.
    """
    stored = {value.pk: value for value in tag.values.all()}
    gone = match_parts(values, {value.key: pk for pk, value in stored.items()})
    check_parts_unused(f"tag:{tag.key}", dict(tag.values.filter(pk__in=gone).values_list("key", "name")))
    if not tag.is_by_rule:
        refuse_while_carried(tag.values.filter(pk__in=gone), now=now)
    for position, value in enumerate(values):
        value.tag, value.position = tag, position
        value.clean_fields(exclude=["tag"])  # the keys differ, as was checked
    TagValue.objects.bulk_update(
        [value for value in values if value.pk and differ(facts_of(stored[value.pk]), facts_of(value))],
        ["name", "position", "rule"],
        batch_size=BATCH,
    )
    TagValue.objects.bulk_create([value for value in values if value.pk is None], batch_size=BATCH)
    if gone:
        drop_values(tag, gone, user=user, now=now)


def facts_of(value: TagValue) -> list[Any]:
    """All of a value that an edit may change."""
    return [value.name, value.position, value.rule]


def drop_values(tag: Tag, value_ids: Iterable[int], *, user: User | None, now: datetime) -> None:
    """Delete values of a tag, and take them off everybody."""
    rows = TagAssignment.objects.filter(tag=tag, value__in=value_ids)
    held = rows.filter(is_ended=False).order_by("profile").values_list("profile", "value__key")
    changes = [Change(tag.pk, profile_id, key, None) for profile_id, key in held]
    rows.delete()
    # Who carried one before a bulk tagging cannot carry it again: as if they had carried nothing.
    TaggedBefore.objects.filter(value__in=value_ids).update(is_carried=False, value=None, expires_at=None)
    tag.values.filter(pk__in=value_ids).delete()
    version = tag.rule_version if tag.is_by_rule else None
    write_changes(changes, cause=Cause.RULE, now=now, user=user, rule_version=version)


def refuse_while_carried(values: Iterable[TagValue], *, now: datetime) -> None:
    """What a hand or a file has assigned, no edit takes away. Raises StillUsed."""
    for value in values:
        n_carriers = TagAssignment.objects.live(now).filter(value=value).count()
        if n_carriers:
            carriers = ngettext("%(n)d profile", "%(n)d profiles", n_carriers) % {"n": n_carriers}
            raise StillUsed(value.name, [carriers])


def rule_parts(tag: Tag, values: Sequence[TagValue]) -> list[RulePart]:
    """The rules of a tag, for their history."""
    return [{"key": value.key, "name": value.name, "rule": value.rule} for value in values] or single(tag.rule)


@transaction.atomic
def restore_tag_rules(tag: Tag, version: int, *, user: User | None) -> Run | None:
    """Give a tag the values and rules that it had in `version`, as a new version; None where it has these now.

    Values that are still there keep their names.

    Raises RuleVersion.DoesNotExist, and what saving raises.
    """
    lock_rules()
    stored = Tag.objects.get(pk=tag.pk)
    known = {value.key: value for value in stored.values.all()}
    stored.rule, values = None, []
    for part in rules_of_version(f"tag:{stored.key}", version):
        if not part["key"]:
            stored.rule = part["rule"]
            break
        value = known.get(part["key"]) or TagValue(key=part["key"], name=part["name"])
        value.rule = part["rule"]
        values.append(value)
    return save_tag(stored, values=values, user=user)


@transaction.atomic
def move_tag(tag: Tag, lifecycle: Tag.Lifecycle, *, user: User) -> Run | None:
    """Take a tag into use, out of it, or back; returns the full refresh that one by rule needs then. Twice is as once.

    Raises as `save_tag` does.
    """
    lock_rules()
    stored = Tag.objects.get(pk=tag.pk)
    before = stored.lifecycle
    if before == lifecycle:
        return None
    stored.lifecycle = tag.lifecycle = lifecycle
    run = save_tag(stored, user=user)
    write_change(user, stored, before={"lifecycle": before}, after={"lifecycle": str(lifecycle)})
    return run


@transaction.atomic
def delete_tag(tag: Tag) -> None:
    """Delete a tag, and take it off everybody. Raises StillUsed, which names what refers to it."""
    lock_rules()
    delete_unused(tag, f"tag:{tag.key}")
