"""Rules, and what came of them, as somebody may read them: sentences and facts, with personal values masked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cdp.rules.ast import All, AnyOf, Node, NotIt, Rule
from cdp.rules.describe import describe_rule
from cdp.rules.errors import RuleError
from cdp.rules.explain import Judged
from cdp.rules.facts import Fact
from profiles.masking import Masking

GROUPS = {
    "all": _("all of these hold"),
    "any": _("at least one of these holds"),
    "not": _("this does not hold"),
}


@dataclass(frozen=True)
class ShownFact:
    """`value` is as JSON has it; `at` is when it happened."""

    text: str
    value: Any
    at: Any


@dataclass(frozen=True)
class Shown:
    """A node: `group` is `all`, `any` or `not`, and "" for a condition, which has facts instead of children."""

    group: str
    says: str
    matched: bool
    facts: tuple[ShownFact, ...]
    children: tuple[Shown, ...]


def show(judged: Judged, masking: Masking) -> Shown:
    """The whole tree, in the active language."""
    group = _group(judged.node)
    return Shown(
        group=group,
        says=str(GROUPS[group]) if group else _sentence(judged.node, masking),
        matched=judged.matched,
        facts=tuple(_show_fact(masking.fact(fact), masking) for fact in judged.facts),
        children=tuple(show(child, masking) for child in judged.children),
    )


def described(parsed: Rule | RuleError, masking: Masking) -> str:
    """The sentence of a saved rule; one that can no longer be read (its attribute is gone) says so.

    The rule is parsed as it is, since a masked value has another type.
    """
    if isinstance(parsed, RuleError):
        return failure(parsed, masking)
    return masking.sentence(describe_rule(parsed, cover=masking.cover))


def failure(error: RuleError, masking: Masking) -> str:
    """Why a saved rule cannot be read; what wrong values are quoted, only those see who see personal data."""
    problem = str(error) if masking.sees_all else ", ".join(each.path for each in error.problems)
    return gettext("This rule can no longer be read: %(problem)s") % {"problem": masking.sentence(problem)}


def _group(node: Node) -> str:
    match node:
        case All():
            return "all"
        case AnyOf():
            return "any"
        case NotIt():
            return "not"
        case _condition:
            return ""


def _sentence(node: Any, masking: Masking) -> str:
    return masking.sentence(node.covered(masking.cover).describe())


def _show_fact(fact: Fact, masking: Masking) -> ShownFact:
    return ShownFact(masking.sentence(fact.text), fact.value, fact.at)
