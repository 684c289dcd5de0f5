"""The tree of a rule: groups, and operators as its leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from cdp.rules.base import Operator


@dataclass(frozen=True)
class All:
    """Every one of `nodes` holds; there is at least one."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class AnyOf:
    """At least one of `nodes` holds."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class NotIt:
    """`node` does not hold."""

    node: Node


Node: TypeAlias = All | AnyOf | NotIt | Operator


@dataclass(frozen=True)
class Rule:
    """A rule that was checked."""

    root: Node

    def topics(self) -> frozenset[str]:
        """Everything that it depends on. Empty, it follows who is new, merged or split alone."""
        return frozenset().union(*(condition.topics() for condition in self.conditions()))

    def conditions(self) -> Iterator[Operator]:
        """Its leaves, from left to right."""
        return _leaves(self.root)


def _leaves(node: Node) -> Iterator[Operator]:
    match node:
        case All(nodes) | AnyOf(nodes):
            for child in nodes:
                yield from _leaves(child)
        case NotIt(child):
            yield from _leaves(child)
        case Operator():
            yield node
