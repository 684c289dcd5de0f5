"""Saving and deleting tier schemes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from cdp.locks import lock_edited
from cdp.models import Run, User
from profiles.refresh.queue import queue_full_refresh
from profiles.refresh.saving import (
    check_key,
    check_keys_differ,
    check_parts_unused,
    check_rules,
    check_version,
    delete_unprotected,
    delete_unused,
    differ,
    lock_rules,
    match_parts,
)
from profiles.refresh.versions import RulePart, rules_of_version, write_version
from segments.models import Tier, TierScheme

EDITABLE = ["name", "description", "rule_version"]


@transaction.atomic
def save_tier_scheme(
    scheme: TierScheme,
    *,
    tiers: Sequence[Tier] | None = None,
    user: User | None = None,
    expected_version: int | None = None,
    changed: Collection[str] | None = None,
) -> Run | None:
    """Check and write a new or edited scheme; returns the full refresh that new rules need, else None.

    `tiers` are all its tiers, highest first, and replace those stored: each is matched by its id, else by its key.
    None leaves them as they are. Only the lowest may be without an entry rule. `expected_version` and `changed`
    as for segments.

    Raises:
        VersionConflict, RuleError (paths such as `tiers[0].entry.all[1].op`), ValidationError, StillUsed where a tier
        that a rule or a campaign speaks of would go. Nothing is written then.
    """
    lock_rules()
    stored = lock_edited(scheme, changed, is_exclusive=True)
    check_key(scheme, stored=stored)
    if stored is not None:
        check_version(expected_version, current=stored.rule_version)
    before = list(stored.tiers.order_by("position")) if stored else []
    wanted = before if tiers is None else list(tiers)
    check_ladder(scheme, wanted)
    scheme.full_clean()
    is_changed = stored is None or differ(ladder(before), ladder(wanted))
    if stored is None:
        scheme.save()
    else:
        scheme.rule_version = stored.rule_version + is_changed
        scheme.save(update_fields=EDITABLE)
    write_tiers(scheme, wanted)
    if is_changed:
        parts: list[RulePart] = [{"key": tier.key, "name": tier.name, "rule": tier.entry} for tier in wanted]
        write_version(f"tier:{scheme.key}", scheme.rule_version, parts, user=user)
    return queue_full_refresh(f"tier:{scheme.key}", user=user) if is_changed else None


def ladder(tiers: Sequence[Tier]) -> list[tuple[str, Any]]:
    """What decides who stands where."""
    return [(tier.key, tier.entry) for tier in tiers]


def check_ladder(scheme: TierScheme, tiers: Sequence[Tier]) -> None:
    """Raises ValidationError or RuleError."""
    if not tiers:
        raise ValidationError({"tiers": _("A tier scheme needs at least one tier.")})
    check_keys_differ("tiers", tiers, _("The keys of the tiers must differ: %(keys)s."))
    needed = _("Only the lowest tier may be without an entry rule; “%(tier)s” has none.")
    missing = {
        f"tiers[{place}].entry": needed % {"tier": tier.name}
        for place, tier in enumerate(tiers[:-1])
        if tier.entry is None
    }
    if missing:
        raise ValidationError(missing)
    check_rules(
        f"tier:{scheme.key}",
        {f"tiers[{place}].entry": tier.entry for place, tier in enumerate(tiers) if tier.entry is not None},
    )


def write_tiers(scheme: TierScheme, tiers: Sequence[Tier]) -> None:
    """Replace the tiers of the scheme. Standings in a tier that goes are followed by the full refresh."""
    gone = scheme.tiers.filter(pk__in=match_parts(tiers, dict(scheme.tiers.values_list("key", "pk"))))
    names = dict(gone.values_list("key", "name"))
    check_parts_unused(f"tier:{scheme.key}", names)
    delete_unprotected(gone, label=", ".join(names.values()))
    for position, tier in enumerate(tiers):
        tier.scheme, tier.position = scheme, position
        tier.full_clean(validate_unique=False, validate_constraints=False)  # two may swap places
        tier.save(force_insert=tier.pk is None, force_update=tier.pk is not None)


@transaction.atomic
def restore_tier_rules(scheme: TierScheme, version: int, *, user: User | None) -> Run | None:
    """Give a scheme the tiers and rules that it had in `version`, as a new version; None where it has these now.

    Tiers that are still there keep their names and benefits.

    Raises RuleVersion.DoesNotExist, and what saving raises.
    """
    lock_rules()
    stored = TierScheme.objects.get(pk=scheme.pk)
    known = {tier.key: tier for tier in stored.tiers.all()}
    tiers = []
    for part in rules_of_version(f"tier:{stored.key}", version):
        tier = known.get(part["key"]) or Tier(key=part["key"], name=part["name"])
        tier.entry = part["rule"]
        tiers.append(tier)
    return save_tier_scheme(stored, tiers=tiers, user=user)


@transaction.atomic
def delete_tier_scheme(scheme: TierScheme) -> None:
    """Delete a scheme with its standings and its feed. Raises StillUsed, which names the rules and campaigns."""
    lock_rules()
    delete_unused(scheme, f"tier:{scheme.key}")
