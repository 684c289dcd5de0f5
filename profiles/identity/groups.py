"""Who is together, in memory: groups of identifiers that messages join, as far as limits and separations allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID


class Key(NamedTuple):
    """What tells an identifier from all others; `value` is normalised."""

    kind_id: int
    value: str


class Link(NamedTuple):
    """What one message says: its `keys` (by priority, then value, at least one) name one person.

    `consents` are the person's words in it, states by channel; `import_id` is the import that brought it, if one did;
    `has_traits` whether it says anything else of the person.
    """

    occurred_at: datetime
    message_id: str
    source_id: int
    keys: Sequence[Key]
    consents: Mapping[str, str] = MappingProxyType({})
    import_id: int | None = None
    has_traits: bool = False


class Standing(NamedTuple):
    """A profile in the order of survival: the least survives."""

    first_seen_at: datetime
    public_id: UUID
    id: int


class LeftOut(NamedTuple):
    """A key that could not be taken in, and the kind whose limit forbade it; None where a separation did."""

    key: Key
    kind_id: int | None


class Absorbed(NamedTuple):
    """A profile that gave way to the older `parent` because of `link`; the parent may have given way since."""

    profile: Standing
    parent: Standing
    link: Link


@dataclass(slots=True, eq=False)
class Group:
    """Identifiers of one person. `profile` is the oldest of the profiles that they had, None if all are new; until a
    link joins it to one, a new group notes in `first_at` when it was seen.

    `counts` are of kinds with a limit only; `absorbed` are the other profiles, of each parent in the order of links;
    `apart` are the groups, as they were at the start, that separations keep away.
    """

    profile: Standing | None = None
    counts: dict[int, int] = field(default_factory=dict)
    absorbed: list[Absorbed] = field(default_factory=list)
    apart: set[Group] = field(default_factory=set)
    parent: Group | None = None
    first_at: datetime | None = None

    def saw(self, at: datetime) -> None:
        """Note that they were seen, which can make them older than anybody knew."""
        if self.profile is None:
            self.first_at = at if self.first_at is None else min(self.first_at, at)
        elif at < self.profile.first_seen_at:
            self.profile = self.profile._replace(first_seen_at=at)


class TakenIn(NamedTuple):
    """A group that went into another, and the profile that gave way; None where not both had one."""

    group: Group
    absorbed_id: int | None


class Step(NamedTuple):
    """What one link did: its person is `group`, a root at that moment, and the groups `taken_in` went into that."""

    link: Link
    group: Group
    taken_in: list[TakenIn]


class Groups:
    """A union-find over keys. `limits` are by kind id: so many identifiers of that kind one person may have.

    `steps` are the links in the order in which they were joined; `of_profile` the groups that profiles started as.
    """

    def __init__(self, limits: Mapping[int, int]) -> None:
        self.limits = limits
        self.steps: list[Step] = []
        self.of_profile: dict[int, Group] = {}
        self._group_of: dict[Key, Group] = {}

    def add(self, key: Key, group: Group) -> None:
        """Say that `key` belongs to `group` from the start; the group's counts already contain it."""
        self._group_of[key] = group
        if group.profile is not None:
            self.of_profile[group.profile.id] = group

    def add_new(self, key: Key) -> None:
        """A key that nobody had yet."""
        self._group_of[key] = Group(counts={key.kind_id: 1} if key.kind_id in self.limits else {})

    def find(self, key: Key) -> Group:
        return root_of(self._group_of[key])

    def join(self, link: Link) -> tuple[list[Key], list[LeftOut]]:
        """Take each key of the link into the group of its first, unless a limit or a separation would break.

        Returns the kept, and those left out.
        """
        kept, left_out = [link.keys[0]], []
        mine = self.find(link.keys[0])
        taken_in: list[TakenIn] = []
        mine.saw(link.occurred_at)
        for key in link.keys[1:]:
            theirs = self.find(key)
            if mine is not theirs:
                broken = self.broken_limit(mine, theirs)
                if broken is not None or are_apart(mine, theirs):
                    left_out.append(LeftOut(key, broken))
                    continue
                taken_in.append(TakenIn(theirs, unite(mine, theirs, link)))
            kept.append(key)
        self.steps.append(Step(link, mine, taken_in))
        return kept, left_out

    def broken_limit(self, one: Group, other: Group) -> int | None:
        """The kind of which the two together would have more than its limit allows; None where there is none.

        A limit that one of them exceeds alone was lowered later, and does not bind what has none of that kind.
        """
        for kind_id, n_one in one.counts.items():
            n_other = other.counts.get(kind_id, 0)
            if n_other and n_one + n_other > self.limits[kind_id]:
                return kind_id
        return None


def keep_apart(one: Group, other: Group) -> None:
    """Never unite these two, nor what they become part of."""
    one.apart.add(other)
    other.apart.add(one)


def are_apart(one: Group, other: Group) -> bool:
    """Whether a separation forbids that these two roots become one."""
    return any(root_of(group) is other for group in one.apart)


def root_of(group: Group) -> Group:
    """The group that this one has become part of, itself if none; shortens the way for the next who asks."""
    while group.parent is not None:
        if group.parent.parent is not None:
            group.parent = group.parent.parent
        group = group.parent
    return group


def profile_of(group: Group) -> int:
    """The profile id of a group whose profile exists by now."""
    assert group.profile is not None
    return group.profile.id


def unite(root: Group, other: Group, link: Link) -> int | None:
    """Hang `other` below `root`; of two profiles the older stays, and the younger notes why it went.

    Returns the id of the younger, None where not both had a profile.
    """
    other.parent = root
    for kind_id, n in other.counts.items():
        root.counts[kind_id] = root.counts.get(kind_id, 0) + n
    root.absorbed += other.absorbed
    root.apart |= other.apart
    if root.profile is not None and other.profile is not None:
        root.profile, younger = sorted((root.profile, other.profile))
        root.absorbed.append(Absorbed(younger, root.profile, link))
        return younger.id
    root.profile = root.profile or other.profile
    for first_at in (root.first_at, other.first_at):
        if first_at is not None:
            root.saw(first_at)
    return None
