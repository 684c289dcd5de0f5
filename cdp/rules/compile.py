"""A rule as a `Q` on Profile."""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from operator import and_, or_

from django.db.models import Q

from cdp.rules.ast import All, AnyOf, Node, NotIt, Rule
from cdp.rules.base import Operator
from cdp.rules.scope import Scope


def compile_rule(rule: Rule, *, scope: Scope, now: datetime) -> Q:
    """Those in `scope` for whom the rule holds at `now`, for `Profile.objects.current().filter(…)`.

    Two-valued: no leaf is ever NULL, so that NOT is plain NOT.
    """
    return scope.on("pk") & _compile(rule.root, scope, now)


def _compile(node: Node, scope: Scope, now: datetime) -> Q:
    match node:
        case All(nodes):
            return reduce(and_, [_compile(child, scope, now) for child in nodes])
        case AnyOf(nodes):
            return reduce(or_, [_compile(child, scope, now) for child in nodes])
        case NotIt(child):
            return ~_compile(child, scope, now)
        case Operator():
            return node.predicate(scope, now)
