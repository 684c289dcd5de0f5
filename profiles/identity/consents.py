"""What a person has said who was taken for two: from the link on, the stricter word counts, until a later one.

It is worked out link by link in the order of time, over the words of before and those of the batch, so that it makes no
difference whether the two met within a batch or were stored before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from cdp.rules.scope import Scope
from profiles.identity.groups import Group, Groups, Key, Link, Step, TakenIn
from profiles.models import Consent, ProfileMerge


class Word(NamedTuple):
    """One word on one channel. The greatest is in force: the latest, and of two at the same time the denial."""

    occurred_at: datetime
    is_denied: bool


class Overruling(NamedTuple):
    """At a link, the denial of one of two overruled the other's later grant.

    `absorbed_id` is the profile that gave way at that link; where not both were stored, None, and the word hangs on
    `anchor`, the link's first identifier.
    """

    group: Group
    channel: str
    occurred_at: datetime
    absorbed_id: int | None
    anchor: Key | None


Words = defaultdict[str, list[Word]]  # by channel


def overrulings(groups: Groups) -> list[Overruling]:
    """The words that joins add, in the order of time; to be called before the facts of the absorbed move."""
    said = load_words(groups)
    found = []
    for link, group, taken_in in groups.steps:
        if taken_in or link.consents:
            mine = said.setdefault(group, Words(list))
            for taken in taken_in:
                theirs = said.pop(taken.group, Words(list))
                overruled = [
                    channel for channel in theirs if is_overruled(mine[channel], theirs[channel], link.occurred_at)
                ]
                for channel, words in theirs.items():
                    mine[channel] += words
                for channel in sorted(overruled):
                    mine[channel].append(Word(link.occurred_at, is_denied=True))
                    anchor = link.keys[0] if taken.absorbed_id is None else None
                    found.append(Overruling(group, channel, link.occurred_at, taken.absorbed_id, anchor))
            for channel, state in link.consents.items():
                mine[channel].append(Word(link.occurred_at, state == Consent.State.DENIED))
    return found


def is_overruled(mine: Iterable[Word], theirs: Iterable[Word], at: datetime) -> bool:
    """Whether, when the two became one, one of them denied and the other had granted later."""
    until = [[word for word in words if word.occurred_at <= at] for words in (mine, theirs)]
    in_force = [max(words) for words in until if words]
    return any(word.is_denied for word in in_force) and not max(in_force).is_denied


def overrulings_by_hand(
    survivor_id: int, absorbed_ids: Sequence[int], *, now: datetime
) -> list[tuple[int, Overruling]]:
    """The words that a merge by hand adds, for `write_overrulings`; to be called before the facts move."""
    survivor = Group()
    groups = Groups({})
    others = {profile_id: Group() for profile_id in absorbed_ids}
    groups.of_profile = {survivor_id: survivor, **others}
    said = Link(now, "", 0, ())
    groups.steps = [Step(said, survivor, [TakenIn(other, profile_id) for profile_id, other in others.items()])]
    return [(survivor_id, overruling) for overruling in overrulings(groups)]


def load_words(groups: Groups) -> dict[Group, Words]:
    """What is stored of the people whom links join; one query, none where only new people meet."""
    joining = {
        group
        for step in groups.steps
        if step.taken_in
        for group in (step.group, *(taken.group for taken in step.taken_in))
    }
    group_of = {profile_id: group for profile_id, group in groups.of_profile.items() if group in joining}
    said: dict[Group, Words] = {}
    if group_of:
        stored = Consent.objects.filter(Scope(sorted(group_of)).on("profile_id"))
        for profile_id, channel, at, state in stored.values_list("profile_id", "channel", "occurred_at", "state"):
            words = said.setdefault(group_of[profile_id], Words(list))
            words[channel].append(Word(at, state == Consent.State.DENIED))
    return said


def write_overrulings(found: Sequence[tuple[int, Overruling]], ids: Mapping[Key, int]) -> None:
    """Pairs of profile id and overruling, as words without a source; `ids` are of the anchors."""
    absorbed = [overruling.absorbed_id for _profile_id, overruling in found if overruling.absorbed_id is not None]
    merges = dict(
        ProfileMerge.objects.filter(absorbed__in=absorbed, undone_at=None).values_list("absorbed", "pk")
        if absorbed
        else ()
    )
    Consent.objects.bulk_create(
        (
            Consent(
                profile_id=profile_id,
                origin_id=profile_id,
                anchor_id=ids[overruling.anchor] if overruling.anchor else None,
                merge_id=merges[overruling.absorbed_id] if overruling.absorbed_id is not None else None,
                channel=overruling.channel,
                state=Consent.State.DENIED,
                occurred_at=overruling.occurred_at,
            )
            for profile_id, overruling in found
        ),
        batch_size=1000,
    )
