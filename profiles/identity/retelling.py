"""The words by which the stricter wins, told anew from all that is stored of a person.

A message that comes late can tell of a word from before a join, or of an earlier join, and so change what overruled
what since then; so can a word that somebody writes down by hand. Taking people apart changes who was joined. All of
these tell the words again: they are no more than what the others' words, the links and the merges by hand say in the
order of time. A link of identifiers that somebody has taken apart since then says nothing any more; the merge by which
they came together again does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import F, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from cdp.rules.scope import Scope
from profiles.identity.consents import Word, Words, is_overruled
from profiles.models import Consent, Identifier, IdentityLink, ProfileMerge, Separation

# Neither told by a source nor written down by hand.
DECIDED = Q(source__isnull=True) & (Q(merge__isnull=False) | Q(anchor__isnull=False))

BY_HAND = ~Q(cause=ProfileMerge.Cause.MESSAGE)


class Join(NamedTuple):
    """Two identifiers, by id, became one person's; `place` sorts those of one message."""

    occurred_at: datetime
    message_id: str
    source_id: int
    place: tuple[int, str]
    left: int
    right: int


class Said(NamedTuple):
    """A word with the identifier, by id, on which it hangs."""

    occurred_at: datetime
    message_id: str
    source_id: int
    channel: str
    is_denied: bool
    identifier_id: int


class Decided(NamedTuple):
    """A denial that a join adds; `anchor_id` is an identifier of the join."""

    channel: str
    occurred_at: datetime
    anchor_id: int


def retell(profile_ids: Collection[int]) -> set[tuple[int, str]]:
    """Write what was decided for these people as it should be now; returns the people and channels that changed.

    Two queries for people who do not contradict themselves, a handful for the others. To be called when all else of
    them is written.
    """
    quarrelling = of_two_minds(profile_ids)
    wanted = {
        (profile_id, decided.channel, decided.occurred_at): decided.anchor_id
        for profile_id, person in (load(quarrelling) if quarrelling else {}).items()
        for decided in person.decided()
    }
    stored = Consent.objects.filter(DECIDED, Scope(sorted(profile_ids)).on("profile_id"))
    changed, wrong = set(), []
    for pk, profile_id, channel, at in stored.values_list("pk", "profile_id", "channel", "occurred_at"):
        if wanted.pop((profile_id, channel, at), None) is None:
            wrong.append(pk)
            changed.add((profile_id, channel))
    if wrong:
        Consent.objects.filter(pk__in=wrong).delete()
    for profile_id, channel, _at in wanted:
        changed.add((profile_id, channel))
    Consent.objects.bulk_create(
        Consent(
            profile_id=profile_id,
            origin_id=profile_id,
            anchor_id=anchor_id,
            channel=channel,
            state=Consent.State.DENIED,
            occurred_at=at,
        )
        for (profile_id, channel, at), anchor_id in wanted.items()
    )
    return changed


def joined_by_hand(profile_ids: Collection[int], since: datetime) -> dict[int, datetime]:
    """When these people were last merged by hand, those who were at `since` or later. No message tells of such a join,
    so one may be from before it and yet be the newest of the person.
    """
    merges = ProfileMerge.objects.filter(
        BY_HAND, Scope(sorted(profile_ids)).on("absorbed__merged_into_id"), merged_at__gte=since, undone_at=None
    )
    return dict(merges.values_list("absorbed__merged_into_id").annotate(last=Max("merged_at")))


def of_two_minds(profile_ids: Collection[int]) -> list[int]:
    """Those who said both yes and no on a channel; nothing is to be decided for the others."""
    said = Consent.objects.filter(Scope(sorted(profile_ids)).on("profile_id")).exclude(DECIDED)
    states: dict[tuple[int, str], set[str]] = defaultdict(set)
    for profile_id, channel, state in said.values_list("profile_id", "channel", "state").distinct():
        states[profile_id, channel].add(state)
    return sorted({profile_id for (profile_id, _channel), both in states.items() if len(both) > 1})


def in_order(happened: Join | Said) -> tuple[datetime, str, int, bool, tuple[int, str]]:
    """By time, then message; of one message the joins come first, in the order in which it names the identifiers."""
    place = happened.place if isinstance(happened, Join) else (0, "")
    return *happened[:3], isinstance(happened, Said), place


class Person:
    """What was said of one person, and how their identifiers came together."""

    def __init__(self, identifiers: Iterable[int]) -> None:
        self.chief = {identifier_id: identifier_id for identifier_id in identifiers}
        self.joins: list[Join] = []
        self.said: list[Said] = []
        self.stand_ins: dict[tuple[int, int], int] = {}

    def decided(self) -> list[Decided]:
        """The denials that joins add, by the rule of `consents.overrulings`: a join before the words of its message."""
        words: dict[int, Words] = defaultdict(lambda: Words(list))
        found = []
        happenings: list[Join | Said] = [*self.joins, *self.said]
        for happened in sorted(happenings, key=in_order):
            if isinstance(happened, Said):
                mine = words[self.find(happened.identifier_id)]
                mine[happened.channel].append(Word(happened.occurred_at, happened.is_denied))
                continue
            left, right = self.find(happened.left), self.find(happened.right)
            if left == right:
                continue
            mine, theirs = words[left], words.pop(right, Words(list))
            self.chief[right] = left
            for channel in sorted(theirs):
                overruled = is_overruled(mine[channel], theirs[channel], happened.occurred_at)
                mine[channel] += theirs[channel]
                if overruled:
                    mine[channel].append(Word(happened.occurred_at, is_denied=True))
                    found.append(Decided(channel, happened.occurred_at, self.anchor_of(happened)))
        return found

    def stand_in(self, home: int, identifier_id: int = 0) -> int:
        """Who stands, without a word, for what brought others together and is gone: an identifier that was taken away
        from those of this home, or else all that was written there.
        """
        found = self.stand_ins.setdefault((home, identifier_id), -1 - len(self.stand_ins))
        self.chief.setdefault(found, found)
        return found

    def anchor_of(self, happened: Join) -> int:
        """An identifier of theirs, which a stand-in is not."""
        if happened.left > 0:
            return happened.left
        return next(pk for pk in self.chief if pk > 0 and self.find(pk) == self.find(happened.left))

    def find(self, identifier_id: int) -> int:
        while self.chief[identifier_id] != identifier_id:
            self.chief[identifier_id] = identifier_id = self.chief[self.chief[identifier_id]]
        return identifier_id


class Roll(NamedTuple):
    """The identifiers of some people, each by id: whose it is, how it sorts within a message, and the profile that it
    was written on, its home. Of each home, the identifier that was written there first.
    """

    owner: dict[int, int]
    place: dict[int, tuple[int, str]]
    home: dict[int, int]
    first_on: dict[int, int]


def load(profile_ids: Collection[int]) -> dict[int, Person]:
    """The people by id; four queries, five where some were taken apart and came together again."""
    roll = call_roll(profile_ids)
    mine: dict[int, list[int]] = {profile_id: [] for profile_id in profile_ids}
    for pk, profile_id in roll.owner.items():
        mine[profile_id].append(pk)
    people = {profile_id: Person(identifiers) for profile_id, identifiers in mine.items()}
    rejoined = tell_of_links(people, roll)
    # Who has no identifiers was never joined with anybody.
    tell_of_merges(people, roll, rejoined)
    tell_of_words(people, roll)
    return people


def call_roll(profile_ids: Collection[int]) -> Roll:
    theirs = Identifier.objects.filter(Scope(sorted(profile_ids)).on("profile_id"))
    rows = theirs.annotate(home=Coalesce("origin_id", "profile_id")).values_list(
        "pk", "profile_id", "home", "kind__priority", "value"
    )
    roll = Roll({}, {}, {}, {})
    for pk, profile_id, home, priority, value in rows.order_by("pk"):
        roll.owner[pk], roll.place[pk], roll.home[pk] = profile_id, (priority, value), home
        roll.first_on.setdefault(home, pk)
    return roll


def tell_of_links(people: Mapping[int, Person], roll: Roll) -> set[int]:
    """Tell each person of the links that joined their identifiers. Returns of whom some links tell no more how they
    came together: those must hear of their merges by message too.
    """
    rejoined = set()
    for link in links_of(roll.owner.keys()):
        said = (link.occurred_at, link.message_id, link.source_id)
        both = (link.left_id, link.right_id)
        is_one = roll.owner.get(link.left_id) == roll.owner.get(link.right_id)
        if is_one and (link.parted_at is None or link.occurred_at >= link.parted_at):
            first, other = sorted(both, key=roll.place.__getitem__)
            people[roll.owner[first]].joins.append(Join(*said, roll.place[other], first, other))
            continue
        for left, gone in (both, both[::-1]):
            if left in roll.owner:
                person = people[roll.owner[left]]
                person.joins.append(Join(*said, roll.place[left], left, person.stand_in(roll.home[left], gone)))
                rejoined.add(roll.owner[left])
    return rejoined


def tell_of_merges(people: Mapping[int, Person], roll: Roll, rejoined: Collection[int]) -> None:
    merges = ProfileMerge.objects.filter(Scope(sorted(people)).on("absorbed__merged_into_id"), undone_at=None)
    merges = merges.filter(BY_HAND | Q(absorbed__merged_into__in=rejoined))
    asked_at = times_of_messages(merges) if rejoined else {}
    for merge in merges.annotate(person_id=F("absorbed__merged_into_id")):
        person = people[merge.person_id]
        if person.chief:
            above, absorbed = (
                roll.first_on.get(home) or person.stand_in(home)
                for home in (merge.parent_id or merge.survivor_id, merge.absorbed_id)
            )
            at = asked_at.get(merge.pk, merge.merged_at)
            person.joins.append(Join(at, "", 0, (merge.pk, ""), above, absorbed))


def tell_of_words(people: Mapping[int, Person], roll: Roll) -> None:
    for word in Consent.objects.filter(Scope(sorted(people)).on("profile_id")).exclude(DECIDED):
        person = people[word.profile_id]
        if person.chief:
            hangs_on = word.anchor_id if word.anchor_id in roll.owner else roll.first_on.get(word.origin_id)
            person.said.append(
                Said(
                    word.occurred_at,
                    word.message_id,
                    word.source_id or 0,
                    word.channel,
                    word.state == Consent.State.DENIED,
                    next(iter(person.chief)) if hangs_on is None else hangs_on,
                )
            )


def links_of(identifier_ids: Collection[int]) -> QuerySet[IdentityLink, Any]:
    """All that name one of these, with `parted_at`, when the two were last taken apart, if ever; it may be lifted."""
    parted = Separation.objects.filter(left=OuterRef("left"), right=OuterRef("right")).order_by("-separated_at")
    links = IdentityLink.objects.annotate(parted_at=Subquery(parted.values("separated_at")[:1]))
    scope = Scope(sorted(identifier_ids))
    return links.filter(Q(scope.on("left_id")) | Q(scope.on("right_id")))


def times_of_messages(merges: QuerySet[ProfileMerge]) -> dict[int, datetime]:
    """When the messages happened that asked for these merges, as far as a word that was decided by one tells it: else
    the merge counts from when it was made.
    """
    decided = Consent.objects.filter(merge__in=merges.exclude(BY_HAND))
    return dict(decided.values_list("merge", "occurred_at"))
