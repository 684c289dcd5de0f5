"""Why a rule holds for one person, or does not: every node judged, and what was found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import BooleanField, Case, Func, Q, QuerySet, When

from cdp.rules.ast import All, AnyOf, Node, NotIt, Rule
from cdp.rules.base import Operator
from cdp.rules.facts import Fact
from cdp.rules.scope import Scope
from cdp.rules.sql import FALSE, TRUE


@dataclass(frozen=True)
class Judged:
    """A node of a rule, judged for one person; a group's `children` are in the order of the rule.

    A condition has `facts` instead, where its operator can tell any.
    """

    node: Node
    matched: bool
    children: tuple[Judged, ...] = ()
    facts: tuple[Fact, ...] = ()


def explain_rules(rules: Sequence[Rule], people: QuerySet[Any], *, profile_id: int, now: datetime) -> list[Judged]:
    """Each rule judged for one of the `people` at `now`.

    One query judges the conditions of all rules, by the predicates by which everybody is judged; then each operator
    among them asks for its evidence.

    Raises:
        DoesNotExist: of the people's model, where the person is none of them.
    """
    conditions = [condition for rule in rules for condition in rule.conditions()]
    answers = _judge(conditions, people.filter(pk=profile_id), Scope([profile_id]), now)
    found = zip(answers, _evidence(conditions, profile_id, now), strict=True)
    return [_judged(rule.root, found) for rule in rules]


def judge_rules(rules: Sequence[Rule], people: QuerySet[Any], *, profile_id: int, now: datetime) -> list[bool]:
    """Whether each rule holds for the person; one query, and no evidence. Raises as `explain_rules`."""
    conditions = [condition for rule in rules for condition in rule.conditions()]
    answers = iter(_judge(conditions, people.filter(pk=profile_id), Scope([profile_id]), now))
    found = ((answer, ()) for answer in answers)
    return [_judged(rule.root, found).matched for rule in rules]


def _judge(conditions: Sequence[Operator], person: QuerySet[Any], scope: Scope, now: datetime) -> list[bool]:
    """One array, since a row has at most 1,664 columns."""
    held: list[Any] = [_as_boolean(condition.predicate(scope, now)) for condition in conditions]
    array: Any = Func(*held, template="ARRAY[%(expressions)s]::boolean[]", output_field=ArrayField(BooleanField()))
    answers: list[bool] = person.values_list(array).get()[0]
    return answers


def _as_boolean(predicate: Q) -> Case:
    return Case(When(predicate, then=TRUE), default=FALSE, output_field=BooleanField())


def _evidence(conditions: Sequence[Operator], profile_id: int, now: datetime) -> list[tuple[Fact, ...]]:
    """The facts of each condition; its operator is asked once for all that are its."""
    places: defaultdict[type[Operator], list[int]] = defaultdict(list)
    for place, condition in enumerate(conditions):
        places[type(condition)].append(place)
    found: list[tuple[Fact, ...]] = [()] * len(conditions)
    for operator, own in places.items():
        told = operator.evidence([conditions[place] for place in own], profile_id, now)
        for place, facts in zip(own, told, strict=True):
            found[place] = tuple(facts)
    return found


def _judged(node: Node, found: Iterator[tuple[bool, tuple[Fact, ...]]]) -> Judged:
    """`found` are the answers and facts of the conditions from here on, from left to right."""
    match node:
        case All(nodes):
            children = tuple(_judged(child, found) for child in nodes)
            return Judged(node, all(child.matched for child in children), children)
        case AnyOf(nodes):
            children = tuple(_judged(child, found) for child in nodes)
            return Judged(node, any(child.matched for child in children), children)
        case NotIt(child):
            denied = _judged(child, found)
            return Judged(node, not denied.matched, (denied,))
        case condition:
            matched, facts = next(found)
            return Judged(condition, matched, facts=facts)
