"""What depends on what: the rule of a tag may speak of a segment, whose rule speaks of a score."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Self

from django.utils.translation import gettext as _

from cdp.rules.errors import Problem, RuleError
from cdp.rules.holders import Holder, all_holders
from cdp.rules.topics import inputs_of

CREATED, MERGE, SPLIT = "created", "merge", "split"  # topics that concern every holder
TIME = "time"  # the topic of rows that the clock puts on the queue, each for one holder


class DependencyCycle(RuleError):
    """Rules that speak of each other in a circle; `path` starts and ends with the same holder key, `labels` are names
    by key.
    """

    def __init__(self, path: list[str], labels: Mapping[str, str] = MappingProxyType({})) -> None:
        self.path = path
        named = [f"{labels[key]} ({key})" if key in labels else key for key in path]
        message = _("rules must not depend on each other in a circle: %(path)s") % {"path": " → ".join(named)}
        super().__init__([Problem(path="", message=message)])


@dataclass(frozen=True)
class Graph:
    """`holders` by key, each after those that it depends on; `inputs` are the topics of each one's rules."""

    holders: Mapping[str, Holder]
    inputs: Mapping[str, frozenset[str]]

    @classmethod
    def load(cls) -> Self:
        """Of all holders as they are saved now."""
        return cls.of(all_holders())

    @classmethod
    def of(cls, holders: Iterable[Holder]) -> Self:
        """Raises DependencyCycle."""
        by_key = {holder.key: holder for holder in holders}
        inputs = {key: inputs_of(holder) for key, holder in by_key.items()}
        return cls({key: by_key[key] for key in in_order(inputs)}, inputs)

    def concerned(self, topic: str) -> list[str]:
        """Keys of the holders whose rules depend on `topic`, in order."""
        if topic in (CREATED, MERGE, SPLIT):
            return list(self.holders)
        return [key for key in self.holders if topic in self.inputs[key]]

    def waves(self) -> Iterator[list[Holder]]:
        """All of them in order, in groups of which none speaks of another in its group."""
        wave: list[Holder] = []
        for key, holder in self.holders.items():
            if not self.inputs[key].isdisjoint(each.key for each in wave):
                yield wave
                wave = []
            wave.append(holder)
        yield wave

    def needed(self, keys: Iterable[str]) -> list[str]:
        """What else those speak of whom `keys` may move, directly or through others, in order."""
        moved = self.downstream(keys)
        return [key for key in self.upstream(moved) if key not in moved]

    def upstream(self, keys: Iterable[str]) -> list[str]:
        """`keys` and all that their rules speak of, directly or through others, in order."""
        wanted = set(keys)
        for key in reversed(list(self.holders)):
            if key in wanted:
                wanted |= self.inputs[key]
        return [key for key in self.holders if key in wanted]

    def downstream(self, keys: Iterable[str]) -> list[str]:
        """`keys` and all that depend on them, directly or through others, in order."""
        reached = set(keys)
        for key in self.holders:
            if not reached.isdisjoint(self.inputs[key]):
                reached.add(key)
        return [key for key in self.holders if key in reached]


def in_order(inputs: Mapping[str, frozenset[str]]) -> list[str]:
    """The keys of `inputs`, each after those that it depends on, else alphabetically. Raises DependencyCycle."""
    sorter = TopologicalSorter({key: sorted(inputs[key] & inputs.keys()) for key in sorted(inputs)})
    try:
        return list(sorter.static_order())
    except CycleError as error:
        raise DependencyCycle(list(reversed(error.args[1]))) from error


def check_acyclic(key: str, topics: frozenset[str]) -> None:
    """Refuse the rules of `key` if, with the rules of the others, they would run in a circle.

    Raises:
        DependencyCycle: with the path.
    """
    holders = list(all_holders())
    try:
        in_order({**{holder.key: inputs_of(holder) for holder in holders}, key: topics})
    except DependencyCycle as error:
        raise DependencyCycle(error.path, {holder.key: holder.label for holder in holders}) from error


def circle_through(key: str, topic: str) -> str:
    """The message about the circle that the rules of `key` make by speaking of `topic`; "" where there is none."""
    try:
        check_acyclic(key, frozenset({topic}))
    except DependencyCycle as error:
        return error.problems[0].message
    return ""


def barred_from(key: str) -> list[str]:
    """What the rules of `key` cannot speak of without a circle: itself first, then whatever depends on it."""
    return [key, *(each for each in Graph.load().downstream([key]) if each != key)]


def used_by(key: str) -> list[Holder]:
    """The holders whose rules speak of `key` themselves, by key."""
    graph = Graph.load()
    return sorted((graph.holders[user] for user in graph.concerned(key)), key=lambda holder: holder.key)
