"""A rule as a sentence, in the active language."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from cdp.rules.ast import All, AnyOf, Node, NotIt, Rule


def describe_rule(rule: Rule) -> str:
    """The whole rule as one sentence; groups inside groups stand in brackets."""
    return _describe(rule.root)


def _describe(node: Node) -> str:
    match node:
        case All(nodes):
            return pgettext("between conditions", " and ").join(map(_inside, nodes))
        case AnyOf(nodes):
            return pgettext("between conditions", " or ").join(map(_inside, nodes))
        case NotIt(child):
            return _("not (%(condition)s)") % {"condition": _describe(child)}
        case condition:
            return condition.describe()


def _inside(node: Node) -> str:
    """A node inside a group: bracketed where its own words would run into the group's."""
    if isinstance(node, All | AnyOf) and len(node.nodes) > 1:
        return _("(%(condition)s)") % {"condition": _describe(node)}
    return _describe(node)
