"""What every service that saves or deletes a holder must keep: rules that parse, no circle, nothing left dangling."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from django.core.exceptions import ValidationError
from django.db.models import Model, ProtectedError, QuerySet
from django.utils.translation import gettext as _

from cdp.dependents import binding_on
from cdp.keys import RESERVED_KEYS
from cdp.locks import advisory_lock, deleted_meanwhile
from cdp.models import RuleVersion
from cdp.rules.errors import Problem, RuleError
from cdp.rules.holders import Holder
from cdp.rules.parse import names_in, parse_rule
from profiles.refresh.graph import DependencyCycle, barred_from, check_acyclic, circle_through
from profiles.refresh.protection import MAX_NAMED, protectors


class Keyed(Protocol):
    """Something that rules speak of by its key."""

    key: str
    pk: Any


class VersionConflict(Exception):
    """Somebody else saved the rule meanwhile; `current` is its version now."""

    def __init__(self, *, expected: int, current: int) -> None:
        self.expected, self.current = expected, current
        super().__init__(
            _("The rule has version %(current)d by now; you edited version %(expected)d.")
            % {"current": current, "expected": expected}
        )


class StillUsed(ValidationError):
    """It cannot go, since others speak of it; the message names the first `MAX_NAMED` of them."""

    def __init__(self, label: str, users: list[str]) -> None:
        self.users = users
        message = (
            _("“%(label)s” is still used by: %(users)s.")
            if len(users) <= MAX_NAMED
            else _("“%(label)s” is still used by: %(users)s, and others.")
        )
        super().__init__(message % {"label": label, "users": ", ".join(users[:MAX_NAMED])}, code="still_used")


class Archived(ValidationError):
    """It is in the archive, where nothing is done with it; `label` is its name."""

    def __init__(self, label: str) -> None:
        super().__init__(_("“%(label)s” is archived: restore it first.") % {"label": label}, code="archived")


class BeingFilled(ValidationError):
    """Who is in is not yet whom it says; `label` is its name."""

    def __init__(self, label: str) -> None:
        super().__init__(_("“%(label)s” is being filled: try again in a moment.") % {"label": label}, code="filling")


def lock_rules() -> None:
    """One edit at a time, until the transaction ends: two that close a circle together must see each other."""
    advisory_lock("rules")


def check_key(thing: Keyed, *, stored: Keyed | None) -> None:
    """Rules speak of things by their keys, so a key stays; some are the API's own. `stored` None: it is new.

    Raises ValidationError, also where it is not new and was deleted meanwhile.
    """
    if stored is None and thing.pk is not None:
        raise deleted_meanwhile(thing)
    if stored is not None and thing.key != stored.key:
        raise ValidationError({"key": _("The key cannot be changed: rules speak of it.")})
    if stored is None and thing.key in RESERVED_KEYS:
        raise ValidationError({"key": _("This key is reserved: %(key)s.") % {"key": thing.key}})


def check_keys_differ(kind: str, parts: Sequence[Keyed], message: str) -> None:
    """Of the parts of one thing. Raises ValidationError at each that comes again, such as `values[1].key`."""
    known: set[str] = set()
    again: dict[int, str] = {}
    for place, part in enumerate(parts):
        if part.key in known:
            again[place] = part.key
        known.add(part.key)
    if again:
        found = message % {"keys": ", ".join(dict.fromkeys(again.values()))}
        raise ValidationError({f"{kind}[{place}].key": found for place in again})


def match_parts(parts: Sequence[Keyed], stored: Mapping[str, int]) -> set[int]:
    """Give each part of a thing, such as a tier, the id that it has already by its key; returns the ids of the rest.

    Raises ValidationError where a part that is stored comes with another key.
    """
    rest = dict(stored)
    for part in parts:
        pk = rest.pop(part.key, None)
        if part.pk not in (None, pk):
            raise ValidationError({"key": _("The key cannot be changed: rules speak of it.")})
        part.pk = pk
    return set(rest.values())


def differ(before: Any, after: Any) -> bool:
    """Whether two rules, or lists of such, are not the same JSON, in which true is not 1."""
    return json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True)


def check_version(expected: int | None, *, current: int) -> None:
    """Raises VersionConflict where an editor saw another version than the one that is stored."""
    if expected is not None and expected != current:
        raise VersionConflict(expected=expected, current=current)


def check_rules(holder_key: str, rules: Mapping[str, Any]) -> None:
    """Parse the rules of one holder and refuse a circle. The keys of `rules` are their places: "", `values[0].rule`.

    Raises:
        RuleError: with all problems, their paths led by the rule's place.
        DependencyCycle: a RuleError as well, whose problems stand where the rules speak of what is on the circle.
    """
    problems: list[Problem] = []
    topics: frozenset[str] = frozenset()
    for place, rule in rules.items():
        try:
            topics |= parse_rule(rule).topics()
        except RuleError as error:
            problems += [
                Problem(".".join(filter(None, [place, found.path])), found.message, place) for found in error.problems
            ]
    if problems:
        raise RuleError(problems)
    try:
        check_acyclic(holder_key, topics)
    except DependencyCycle as error:
        error.problems = circles_in(holder_key, rules) or error.problems
        raise


def circles_in(holder_key: str, rules: Mapping[str, Any]) -> list[Problem]:
    """Where the rules of a holder speak of itself or of what depends on it; their places are as in `check_rules`."""
    barred, problems = set(barred_from(holder_key)), []
    for place, rule in rules.items():
        for kind, name, at in names_in(rule):
            if (topic := f"{kind}:{name}") in barred:
                path = ".".join(filter(None, [place, at.path]))
                problems.append(Problem(path, circle_through(holder_key, topic), place))
    return problems


def check_users(users: Iterable[Holder], label: str) -> None:
    """After an edit: refuse it where the rules of its users no longer parse, say for naming a value that is gone.

    Raises StillUsed.
    """
    broken = [holder.label for holder in users if not parses(holder)]
    if broken:
        raise StillUsed(label, broken)


def parses(holder: Holder) -> bool:
    try:
        for outcome in holder.outcomes():
            if outcome.rule is not None:
                parse_rule(outcome.rule)
    except RuleError:
        return False
    return True


def check_unused(holder_key: str, label: str) -> None:
    """Before a thing goes, or into the archive. Raises StillUsed."""
    if users := binding_on(holder_key):
        raise StillUsed(label, [user.named for user in users])


def check_parts_unused(holder_key: str, gone: Mapping[str, str]) -> None:
    """Before parts of a thing go, such as values of a tag; `gone` are their names by their keys. Raises StillUsed."""
    if gone and (users := binding_on(holder_key, gone)):
        used = {part for user in users for part in user.parts}
        raise StillUsed(", ".join(name for key, name in gone.items() if key in used), [user.named for user in users])


def delete_unused(thing: Model, holder_key: str) -> None:
    """Delete what nothing refers to.

    Raises StillUsed.
    """
    check_unused(holder_key, str(thing))
    RuleVersion.objects.filter(holder=holder_key).delete()
    delete_unprotected(type(thing)._default_manager.filter(pk=thing.pk), label=str(thing))


def delete_unprotected(things: QuerySet[Any], *, label: str) -> None:
    """Delete what no row of another app protects. Asked first: Django would load every row that does.

    Raises StillUsed.
    """
    if users := protectors(things):
        raise StillUsed(label, users)
    try:
        things.delete()
    except ProtectedError as error:  # written meanwhile
        raise StillUsed(label, protectors(things)) from error
