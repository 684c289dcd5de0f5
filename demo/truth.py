"""Who is whom, as far as anybody could know it: the identifiers of a person that some chain of messages links."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.sayings import MemberRow, Name, Saying


def true_clusters(sayings: Iterable[Saying | MemberRow]) -> dict[Name, int]:
    """Each identifier's cluster, numbered from 0 in the order of first sight.

    An identifier belongs to the person of whom it was first said: a device stays with the first of a family who logged
    in on it. A person whose channels never said anything in common has a cluster in each.
    """
    owner: dict[Name, str] = {}
    parent: dict[Name, Name] = {}
    for saying in sorted(sayings, key=lambda saying: saying.at):
        for name in saying.names:
            owner.setdefault(name, saying.person)
            parent.setdefault(name, name)
        own = [name for name in saying.names if owner[name] == saying.person]
        for name in own[1:]:
            parent[_root(parent, name)] = _root(parent, own[0])
    numbers: dict[Name, int] = {}
    return {name: numbers.setdefault(_root(parent, name), len(numbers)) for name in parent}


def _root(parent: dict[Name, Name], name: Name) -> Name:
    while parent[name] != name:
        parent[name] = parent[parent[name]]
        name = parent[name]
    return name


def write_truth(path: Path, clusters: Mapping[Name, int]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["kind", "value", "cluster"])
        writer.writerows((kind, value, cluster) for (kind, value), cluster in clusters.items())


def read_truth(path: Path) -> dict[Name, int]:
    with path.open(encoding="utf-8", newline="") as file:
        return {(row["kind"], row["value"]): int(row["cluster"]) for row in csv.DictReader(file)}


@dataclass(frozen=True)
class Evaluation:
    """Pairs of identifiers: how many truly belong together, were put together, and both."""

    n_true: int
    n_found: int
    n_both: int

    @property
    def precision(self) -> float:
        """The share of the pairs put together that belong together; 1 where nothing was put together."""
        return self.n_both / self.n_found if self.n_found else 1.0

    @property
    def recall(self) -> float:
        """The share of the pairs that belong together which were found."""
        return self.n_both / self.n_true if self.n_true else 1.0


def evaluate(truth: Mapping[Name, int], found: Iterable[tuple[Name, int]]) -> Evaluation:
    """Compare the profiles of identifiers with the truth, by the sizes of the overlaps rather than pair by pair.

    Identifiers that the truth does not know are left out: they came with messages of other people's own.
    """
    overlaps: Counter[tuple[int, int]] = Counter()
    profiles: Counter[int] = Counter()
    for name, profile in found:
        if name in truth:
            profiles[profile] += 1
            overlaps[truth[name], profile] += 1
    return Evaluation(
        n_true=sum(pairs(Counter(truth.values()).values())),
        n_found=sum(pairs(profiles.values())),
        n_both=sum(pairs(overlaps.values())),
    )


def pairs(sizes: Iterable[int]) -> Iterator[int]:
    """The number of pairs in each group of a size."""
    return (size * (size - 1) // 2 for size in sizes)
