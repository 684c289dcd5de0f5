"""A rule as a sentence, in the active language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from cdp.rules.ast import All, AnyOf, Node, NotIt, Rule
from cdp.rules.base import Cover, Operator


def uncovered(condition: Mapping[str, Any]) -> str:
    """For those who see everything."""
    return ""


def describe_rule(rule: Rule, *, cover: Cover = uncovered) -> str:
    """The whole rule as one sentence; groups inside groups stand in brackets. `cover` hides compared values."""
    return _describe(rule.root, cover)


def _describe(node: Node, cover: Cover) -> str:
    match node:
        case All(nodes):
            return pgettext("between conditions", " and ").join(_inside(child, cover) for child in nodes)
        case AnyOf(nodes):
            return pgettext("between conditions", " or ").join(_inside(child, cover) for child in nodes)
        case NotIt(child):
            denied = child.covered(cover).describe_denied() if isinstance(child, Operator) else ""
            return denied or _("not (%(condition)s)") % {"condition": _describe(child, cover)}
        case condition:
            return condition.covered(cover).describe()


def _inside(node: Node, cover: Cover) -> str:
    """A node inside a group: bracketed where its own words would run into the group's."""
    if isinstance(node, All | AnyOf) and len(node.nodes) > 1:
        return _("(%(condition)s)") % {"condition": _describe(node, cover)}
    return _describe(node, cover)
