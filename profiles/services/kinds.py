"""Identifier kinds as operators change them: what a change means for what is there, and what is refused.

A kind's key stays, and so does its normaliser once there are identifiers: what was normalised by one way would never
be found by another. A lower limit holds for links to come; who exceeds it already is not split.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cdp.keys import RESERVED_KEYS
from cdp.local_settings import set_local
from cdp.locks import lock_edited
from cdp.models import User
from profiles.identity.kinds import lock_kinds
from profiles.identity.normalise import all_normalisers, spell
from profiles.models import Identifier, IdentifierKind
from profiles.models.source import DEFAULT_REGION
from profiles.refresh.graph import Graph, used_by
from profiles.refresh.protection import MAX_NAMED, protectors
from profiles.refresh.queue import queue_full_refresh
from profiles.refresh.saving import lock_rules
from profiles.services.identity.conflicts import open_by_identifier

STEP = 10  # between the priorities of neighbours, so that one more fits by number
MAX_PRIORITY = 10_000
RAISED = 20_000  # where numbers wait while their places are given anew: they are unique at every moment
MAX_BLOCKED = 500  # each is compared with each value that comes in
COUNT_TIMEOUT = "3s"
KEPT_KEYS = RESERVED_KEYS | {"order"}


class KindInUse(ValidationError):
    """The kind cannot go; the message says what speaks of it, with counts."""


@dataclass(frozen=True)
class KindUse:
    """How many identifiers of a kind there are, and how many profiles have more of them than its limit allows."""

    n_identifiers: int
    n_over_limit: int


def use_of(kind: IdentifierKind) -> KindUse | None:
    """Exact counts; None where they take longer than somebody waits for a page. A million identifiers take 0.5 s."""
    try:
        with transaction.atomic():
            set_local(statement_timeout=COUNT_TIMEOUT)
            return KindUse(Identifier.objects.filter(kind=kind).count(), count_over(kind, kind.limit_per_profile))
    except DatabaseError:
        return None


def count_over(kind: IdentifierKind, limit: int | None) -> int:
    """Profiles with more than `limit` identifiers of the kind; None is no limit."""
    if limit is None:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*)
            FROM (
                SELECT 1 FROM profiles_identifier WHERE kind_id = %s GROUP BY profile_id HAVING count(*) > %s
            ) AS over_limit
            """,
            [kind.pk, limit],
        )
        n: int = cursor.fetchone()[0]
    return n


def save_kind(kind: IdentifierKind, *, user: User | None, changed: Collection[str] | None = None) -> None:
    """Save a new or changed kind; `priority` 0 or None of a new one places it by itself (`place_new`).

    Of one that is there the `changed` fields are saved; None: all.
    Holders whose rules ask who is known are refreshed in full where `is_personal` changes.

    Raises:
        ValidationError: by field; nothing is saved.
    """
    with transaction.atomic():
        lock_kinds()
        stored = lock_edited(kind, changed)
        errors = problems_of(kind, stored)
        try:
            kind.blocked_values = normalise_blocked(kind.blocked_values, kind.normaliser)
        except ValidationError as error:
            errors.setdefault("blocked_values", error)
        if errors:
            raise ValidationError(errors)
        kind.full_clean(exclude={"priority"})
        if stored is None and not kind.priority:
            place_new(kind)
        kind.save()
        if stored is not None and stored.is_personal != kind.is_personal:
            for holder_key in Graph.load().concerned("attribute:is_known"):
                queue_full_refresh(holder_key, user=user)


def problems_of(kind: IdentifierKind, stored: IdentifierKind | None) -> dict[str, ValidationError]:
    """What is wrong with a kind beside its blocked values, by field."""
    errors: dict[str, str] = {}
    if kind.normaliser not in all_normalisers():
        errors["normaliser"] = _("Unknown; known: %(known)s.") % {"known": ", ".join(all_normalisers())}
    if kind.limit_per_profile is not None and kind.limit_per_profile < 1:
        errors["limit_per_profile"] = _("At least 1, or empty for no limit.")
    if stored is None:
        if kind.key in KEPT_KEYS:
            errors["key"] = _("This key is reserved: %(key)s.") % {"key": kind.key}
    else:
        if kind.key != stored.key:
            errors["key"] = _("The key cannot be changed: messages speak of it.")
        if kind.normaliser != stored.normaliser and (why := why_fixed(stored)):
            errors["normaliser"] = why
    if kind.priority:
        taken = IdentifierKind.objects.filter(priority=kind.priority).exclude(pk=kind.pk).first()
        if taken is not None:
            errors["priority"] = _("%(priority)d is the priority of %(kind)s.") % {
                "priority": kind.priority,
                "kind": taken.key,
            }
        elif not 0 < kind.priority <= MAX_PRIORITY:
            errors["priority"] = _("From 1 to %(max)d.") % {"max": MAX_PRIORITY}
    return {field: ValidationError(message) for field, message in errors.items()}


def why_fixed(kind: IdentifierKind) -> str:
    """Why the normaliser of a stored kind cannot change; empty where it can."""
    if kind.is_built_in:
        return _("The normaliser of a built-in kind cannot be changed.")
    if Identifier.objects.filter(kind=kind).exists():
        return _(
            "There are identifiers of this kind, normalised as it was. Values that come in would no longer find them, "
            "so the normaliser cannot be changed. Make another kind instead."
        )
    return ""


def normalise_blocked(values: Iterable[str], normaliser: str) -> list[str]:
    """Blocked values as they will be compared, without repetition, in the order given.

    Raises:
        ValidationError: values that can be no identifier of the kind anyhow, each named.
    """
    if normaliser not in all_normalisers():
        return list(values)
    normalised: dict[str, None] = {}
    refused = []
    for value in values:
        spelt = spell(normaliser, value, DEFAULT_REGION)
        if spelt is None or len(spelt) > 200:
            refused.append(value)
        else:
            normalised[spelt] = None
    if refused:
        message = ngettext(
            "This value can be no identifier of this kind, or names nobody in any kind; leave it out: %(values)s.",
            "These values can be no identifiers of this kind, or name nobody in any kind; leave them out: %(values)s.",
            len(refused),
        )
        raise ValidationError(message % {"values": ", ".join(refused[:MAX_NAMED])})
    if len(normalised) > MAX_BLOCKED:
        raise ValidationError(_("At most %(max)d values.") % {"max": MAX_BLOCKED})
    return list(normalised)


def known_among(values: Sequence[str], kind: IdentifierKind) -> int:
    """How many of these normalised values are identifiers already: blocking does not split them off."""
    return Identifier.objects.filter(kind=kind, value__in=values).count()


def blocked_in_conflict(kind: IdentifierKind) -> list[tuple[Identifier, int]]:
    """Identifiers that the kind blocks by now, with how many open conflicts name them: those that most do first."""
    known = {each.pk: each for each in Identifier.objects.filter(kind=kind, value__in=kind.blocked_values)}
    n_open = open_by_identifier(known)
    return [(known[pk], n) for pk, n in sorted(n_open.items(), key=lambda found: (-found[1], found[0]))]


def place_new(kind: IdentifierKind) -> None:
    """Give a new kind its place: a personal one before the kinds that are not, another at the end."""
    order = list(IdentifierKind.objects.order_by("priority"))
    devices = (n for n, each in enumerate(order) if kind.is_personal and not each.is_personal)
    at = next(devices, len(order))
    renumber([each.key for each in [*order[:at], kind, *order[at:]]])
    kind.priority = (at + 1) * STEP


def move_kind(kind: IdentifierKind, *, up: bool) -> None:
    """Let the kind change places with its neighbour, if there is one."""
    with transaction.atomic():
        lock_kinds()
        order = list(IdentifierKind.objects.order_by("priority").values_list("key", flat=True))
        here = order.index(kind.key)
        there = max(here - 1, 0) if up else min(here + 1, len(order) - 1)
        order[here], order[there] = order[there], order[here]
        renumber(order)


def order_kinds(keys: Sequence[str]) -> None:
    """Put all kinds in this order, the first anchors.

    Raises:
        ValidationError: a kind is missing, unknown or named twice.
    """
    with transaction.atomic():
        lock_kinds()
        known = set(IdentifierKind.objects.values_list("key", flat=True))
        if sorted(keys) != sorted(known):
            wrong = sorted(known.symmetric_difference(keys)) or sorted({key for key in keys if keys.count(key) > 1})
            raise ValidationError({"kinds": _("Name each kind once; look at: %(keys)s.") % {"keys": ", ".join(wrong)}})
        renumber(keys)


def renumber(keys: Sequence[str]) -> None:
    """Number the kinds in this order; a key that no kind has yet leaves its number free."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE profiles_identifierkind SET priority = priority + %s", [RAISED])
        cursor.execute(
            """
            UPDATE profiles_identifierkind AS kind SET priority = wanted.place * %s
            FROM unnest(%s::text[]) WITH ORDINALITY AS wanted (key, place)
            WHERE kind.key = wanted.key
            """,
            [STEP, list(keys)],
        )


def why_kept(kind: IdentifierKind) -> list[str]:
    """What forbids that the kind goes, with how many identifiers there are; empty where nothing does."""
    n = Identifier.objects.filter(kind=kind).count()
    if n:
        return [ngettext("%(n)d identifier of this kind", "%(n)d identifiers of this kind", n) % {"n": n}]
    rules = [holder.label for holder in used_by(f"identifier:{kind.key}")]
    return [*rules, *protectors(IdentifierKind.objects.filter(pk=kind.pk))][:MAX_NAMED]


def delete_kind(kind: IdentifierKind) -> None:
    """Delete a kind that nothing speaks of.

    Raises:
        KindInUse: it is built in, or there are identifiers of it, or else something names it.
    """
    if kind.is_built_in:
        raise KindInUse(_("%(kind)s is built in and stays.") % {"kind": kind.key})
    with transaction.atomic():
        lock_rules()
        lock_kinds()
        if users := why_kept(kind):
            raise KindInUse(_("%(kind)s is still used by: %(users)s.") % {"kind": kind.key, "users": ", ".join(users)})
        kind.delete()
