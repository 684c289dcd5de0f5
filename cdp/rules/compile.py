"""A rule as a `Q` on Profile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import reduce
from operator import and_, or_

from django.apps import apps
from django.db.models import Exists, F, Q, QuerySet

from cdp.rules.ast import All, AnyOf, Node, NotIt, Rule
from cdp.rules.base import Operator
from cdp.rules.scope import Scope
from cdp.rules.sql import AmongGroups, FoundBefore

# So many tables the planner may put in order together. It tries the orders, and each table is another of the same
# person: 100 took it minutes and 17 GB of memory, until the server was killed; in steps of 10 it takes half a second.
MAX_JOINED = 10


def compile_rule(rule: Rule, *, scope: Scope, now: datetime) -> Q:
    """Those in `scope` for whom the rule holds at `now`, for `Profile.objects.current().filter(…)`.

    Two-valued: no leaf is ever NULL, so that NOT is plain NOT.
    """
    return scope.on("pk") & _in_steps(_compile(rule.root, scope, now), scope)


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


def _in_steps(condition: Q, scope: Scope) -> Q:
    """The same, where more than MAX_JOINED tables would be joined: each step among those whom the one before found."""
    conjuncts = list(_conjuncts(condition))
    joined = [each for each in conjuncts if _is_joined(each)]
    if len(joined) <= MAX_JOINED:
        return condition
    steps = [joined[first : first + MAX_JOINED] for first in range(0, len(joined), MAX_JOINED)]
    found = reduce(and_, [each for each in conjuncts if not _is_joined(each)], reduce(and_, steps[0]))
    people = apps.get_model("profiles", "Profile")._default_manager
    for step in steps[1:]:
        before = people.filter(scope.on("pk") & found).values("pk")
        found = reduce(and_, step, Q(FoundBefore(F("pk"), before)))
    return found


def _conjuncts(condition: Q) -> Iterator[Q]:
    """What must all hold, through the groups that say so."""
    if len(condition.children) > 1 and (condition.connector == Q.AND) == condition.negated:
        yield condition
        return
    for child in condition.children:
        inner = child if isinstance(child, Q) else Q(child)
        told = ~inner if condition.negated else inner
        yield from _conjuncts(told) if isinstance(child, Q) else [told]


def _is_joined(conjunct: Q) -> bool:
    """Whether the planner makes a join of it: under OR, it does not."""
    child = conjunct.children[0]
    tested = child[1] if isinstance(child, tuple) else child
    return len(conjunct.children) == 1 and isinstance(tested, Exists | AmongGroups | QuerySet)
