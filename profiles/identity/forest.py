"""How a person was put together: the profiles that merges hung below one another, each with what was written on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from django.db import connection
from django.db.models.functions import Coalesce

from profiles.models import Identifier, ProfileMerge


class Edge(NamedTuple):
    """A merge that holds: `absorbed` hangs below `parent`. Identifiers above `last_identifier` came later; None: it is
    not known which did.
    """

    merge_id: int
    absorbed: int
    parent: int
    last_identifier: int | None
    is_by_message: bool


@dataclass(frozen=True)
class Tree:
    """One person: `root` is the profile that stands for them, `edges` are by the absorbed, and `homes` the profiles on
    which each identifier was written, by its id.
    """

    root: int
    edges: Mapping[int, Edge]
    homes: Mapping[int, int]

    def below(self, node: int) -> set[int]:
        """The profile and all that hang below it."""
        found = {node}
        open_ = [node]
        while open_:
            absorbed = self.absorbed_by.get(open_.pop(), ())
            found.update(absorbed)
            open_ += absorbed
        return found

    def path(self, node: int) -> Iterator[Edge]:
        """The merges from a profile up to the root."""
        while node in self.edges:
            yield self.edges[node]
            node = self.edges[node].parent

    def written_on(self, nodes: Collection[int]) -> set[int]:
        """The identifiers that were written on these profiles."""
        return {identifier_id for node in nodes for identifier_id in self.written.get(node, ())}

    # Both by profile: who took in some thousands is taken apart in a moment, not in half a minute under the lock.
    @cached_property
    def absorbed_by(self) -> Mapping[int, Sequence[int]]:
        """The profiles that hang directly below each."""
        found: dict[int, list[int]] = defaultdict(list)
        for edge in self.edges.values():
            found[edge.parent].append(edge.absorbed)
        return found

    @cached_property
    def written(self) -> Mapping[int, Sequence[int]]:
        """The identifiers that were written on each."""
        found: dict[int, list[int]] = defaultdict(list)
        for identifier_id, home in self.homes.items():
            found[home].append(identifier_id)
        return found


@dataclass(frozen=True)
class Going:
    """What leaves the root: identifiers, and profiles as wholes with all that was written on them by hand.

    `moved` are the merges whose absorbed went along, and hang below whom the rest goes to; `left` those whose parent
    went without them, with the profile below which they hang instead.
    """

    identifiers: set[int]
    nodes: set[int]
    moved: list[Edge] = field(default_factory=list)
    left: dict[Edge, int] = field(default_factory=dict)


def load_tree(root_id: int) -> Tree:
    """Two queries."""
    merges = (
        ProfileMerge.objects.filter(absorbed__merged_into=root_id, undone_at=None)
        .order_by("pk")
        .values_list("pk", "absorbed", Coalesce("parent_id", "survivor_id"), "last_identifier", "cause")
    )
    edges = {
        absorbed: Edge(pk, absorbed, parent, last, cause == ProfileMerge.Cause.MESSAGE)
        for pk, absorbed, parent, last, cause in merges
    }
    homes = dict(
        Identifier.objects.filter(profile=root_id).values_list("pk", Coalesce("origin_id", "profile_id")).order_by("pk")
    )
    return Tree(root_id, edges, homes)


def undoing(tree: Tree, absorbed: int) -> Going:
    """What goes with a profile whose merge is undone: what was written on it and on those below it, wherever later
    merges brought it, and those that came later and whose first link ties them to that.

    Came later: to a profile on the way to the root, after it had taken in the absorbed; an identifier, or a whole
    profile that a message merged. What somebody merged by hand stays, since no link says otherwise.
    """
    nodes = tree.below(absorbed)
    going = tree.written_on(nodes)
    units: dict[Edge | int, set[int]] = {}  # those that may go
    path = list(tree.path(absorbed))
    arrivals = {edge.parent: edge for edge in path}
    for identifier_id, home in tree.homes.items():
        arrival = arrivals.get(home)
        if arrival and arrival.last_identifier is not None and identifier_id > arrival.last_identifier:
            units[identifier_id] = {identifier_id}
    for edge in tree.edges.values():
        arrival = arrivals.get(edge.parent)
        if arrival and edge not in path and edge.is_by_message and edge.merge_id > arrival.merge_id:
            units[edge] = tree.written_on(tree.below(edge.absorbed))
    staying = tree.homes.keys() - going - set().union(*units.values())
    links = load_links(tree.homes.keys()) if units else []
    moved = []
    for unit in tied(units, to=going, rather_than=staying, links=links):
        going |= units[unit]
        if isinstance(unit, Edge):
            moved.append(unit)
            nodes |= tree.below(unit.absorbed)
    return Going(going, nodes, moved)


def splitting(tree: Tree, identifiers: Collection[int]) -> Going:
    """What goes with these identifiers: the profiles of which nothing would stay. Others that hung below one of these
    hang below the next above it that stays.
    """
    wanted = set(identifiers)
    nodes = {node for node in tree.edges if is_covered(tree, node, wanted)}
    left = {}
    for edge in tree.edges.values():
        if edge.absorbed not in nodes and edge.parent in nodes:
            left[edge] = next(above.parent for above in tree.path(edge.parent) if above.parent not in nodes)
    return Going(
        wanted, nodes, [tree.edges[node] for node in sorted(nodes) if tree.edges[node].parent not in nodes], left
    )


def is_covered(tree: Tree, node: int, identifiers: set[int]) -> bool:
    """Whether all that was written on a profile, or on those below it if nothing was on itself, is among these."""
    written = tree.written_on({node}) or tree.written_on(tree.below(node))
    return bool(written) and written <= identifiers


def tied(
    units: Mapping[Edge | int, Collection[int]],
    *,
    to: Collection[int],
    rather_than: Collection[int],
    links: Iterable[tuple[int, int]],
) -> list[Edge | int]:
    """The units whose first link ties them to one side rather than the other, directly or through other units.

    `links` are pairs of identifiers in the order in which they were said. A unit without any goes nowhere.
    """
    chief: dict[int, int] = {}  # of each identifier, one that speaks for all that it is tied to
    members: dict[int, list[int]] = {}
    side: dict[int, bool] = {}
    for side_of, together in [(True, to), (False, rather_than), *((None, unit) for unit in units.values())]:
        found = sorted(together)
        for identifier_id in found:
            chief[identifier_id] = found[0]
        if found:
            members[found[0]] = found
            if side_of is not None:
                side[found[0]] = side_of
    for left, right in links:
        one, other = chief[left], chief[right]
        if one != other and not (one in side and other in side):
            if one not in side:
                one, other = other, one
            for identifier_id in members[other]:
                chief[identifier_id] = one
            members[one] += members.pop(other)
    return [unit for unit, together in units.items() if together and side.get(chief[min(together)], False)]


def load_links(identifier_ids: Iterable[int]) -> Sequence[tuple[int, int]]:
    """The pairs of these identifiers that messages tied, in the order in which they were said."""
    ids = list(identifier_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT left_id, right_id
            FROM profiles_identitylink
            WHERE left_id = ANY(%s) AND right_id = ANY(%s)
            ORDER BY occurred_at, message_id COLLATE "C", id
            """,
            [ids, ids],
        )
        return [(left, right) for left, right in cursor.fetchall()]
