"""What can be told of a batch while nobody waits for it: whose most of its messages are, as far as it can be seen.

Only who holds the identity lock changes who owns an identifier, and says so in the feed of identity changes. So what
was seen before the lock is confirmed under it, by what the feed has gained since.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from django.db import connection

from profiles.identity.feed import MERGED
from profiles.identity.groups import Key, Link
from profiles.identity.identifiers import Known, as_json, load_identifiers, read_identifiers, telling
from profiles.identity.links import Pair, first_sayings, untold
from profiles.identity.strangers import Seen


class Mark(NamedTuple):
    """How far things were: the last row of the feed, the newest identifier, and from how many people imports had been
    taken back, which can move a first sight to a later time. 0 where there was none.
    """

    change: int
    identifier: int
    n_people_taken_back: int


class Glance(NamedTuple):
    """The identifiers that there were; `mark` is what this takes into account at least."""

    mark: Mark
    known: dict[Key, Known]


@dataclass(frozen=True)
class Foresight:
    """As things stood: `known` are the identifiers that there were, `settled` the profile of each link, by its place,
    that changes nothing about who is who, and `seen` when these links see each profile. `telling` are those of them
    that may say more of an identifier than is known, `sayings` the pairs of identifiers that they tie and that none had
    tied. `mark` is what this takes into account at least.
    """

    mark: Mark
    known: dict[Key, Known]
    settled: dict[int, int]
    seen: dict[int, Seen]
    telling: list[Link]
    sayings: dict[Pair, Link]

    def without(self, gone: Collection[int]) -> Foresight:
        """What it says of everybody but these profiles."""

        def stays(link: Link) -> bool:
            return self.known[link.keys[0]].profile_id not in gone

        return replace(
            self,
            settled={n: owner for n, owner in self.settled.items() if owner not in gone},
            seen={owner: when for owner, when in self.seen.items() if owner not in gone},
            telling=list(filter(stays, self.telling)),
            sayings={pair: link for pair, link in self.sayings.items() if stays(link)},
        )


class Confirmed(NamedTuple):
    """What holds under the lock, as in Foresight. `open` are the places of all links that are not settled, by time,
    then message id. `sayings` lack those of `resettled`, places that were not settled before.
    """

    known: dict[Key, Known]
    settled: dict[int, int]
    resettled: Collection[int]
    open: list[int]
    seen: dict[int, Seen]
    telling: list[Link]
    sayings: dict[Pair, Link]


def glance(keys: Iterable[Key]) -> Glance:
    """Those of the keys that exist at this moment."""
    mark = read_mark()
    return Glance(mark, read_identifiers(as_json(keys)))


def foresee(links: Sequence[Link], seen: Glance | None = None) -> Foresight:
    """What can be seen at this moment, for `confirm`; or could be when all keys of the links were `seen`."""
    mark, known = seen or glance({key for link in links for key in link.keys})
    # What an import alone has named can be taken back, of which the feed does not tell.
    lasting = {key: identifier.profile_id for key, identifier in known.items() if identifier.import_id is None}
    settled, _meeting = settle(links, range(len(links)), lasting)
    agreeing = [links[n] for n in settled]
    ids = {key: identifier.id for key, identifier in known.items()}
    sayings = untold(first_sayings(((link, link.keys) for link in agreeing), ids))
    return Foresight(mark, known, settled, see_settled(links, settled), telling(agreeing, known), sayings)


def known_now(keys: Iterable[Key], seen: Glance, mark: Mark) -> dict[Key, Known]:
    """Those of the keys that exist now, under the identity lock, where things are at `mark`; `seen` looked for all
    before. Identifiers are made under the lock: where none is newer, those that were unknown are so still.
    """
    is_same = mark.identifier == seen.mark.identifier
    asked = [key for key in keys if not is_same or key in seen.known]
    return load_identifiers(asked) if asked else {}


def confirm(links: Sequence[Link], foreseen: Foresight) -> Confirmed:
    """What holds now, under the identity lock. Those links alone are looked at again that were not settled, or whose
    people were merged since; all of them where people were taken apart, or an import was taken back from people.
    """
    mark = read_mark()
    absorbed = absorbed_since(foreseen.mark.change)
    if absorbed is None or mark.n_people_taken_back != foreseen.mark.n_people_taken_back:
        foreseen, absorbed = foresee(links), set()
    unsure = [n for n in range(len(links)) if n not in foreseen.settled or foreseen.settled[n] in absorbed]
    again = {key for n in unsure for key in links[n].keys}
    found = known_now(again, Glance(foreseen.mark, foreseen.known), mark)
    resettled, meeting = settle(links, unsure, {key: identifier.profile_id for key, identifier in found.items()})

    kept = foreseen.without(absorbed | meeting)
    known = {key: identifier for key, identifier in foreseen.known.items() if key not in again} | found
    settled = kept.settled | resettled
    return Confirmed(
        known,
        settled,
        resettled,
        sorted((n for n in range(len(links)) if n not in settled), key=lambda n: links[n][:3]),
        seen_by_both(kept.seen, see_settled(links, resettled)),
        kept.telling + telling([links[n] for n in resettled], known),
        kept.sayings,
    )


def settle(links: Sequence[Link], places: Iterable[int], owners: Mapping[Key, int]) -> tuple[dict[int, int], set[int]]:
    """Tell the links that change nothing about who is who from those that may; of the latter, on a busy site one in
    five, alone order and groups need to be known.

    Returns the profile of each of the former, by its place: all their keys are owned by it, and no other link names it
    beside somebody else. And whom the others name beside somebody else.
    """
    if not owners:
        return {}, set()
    owner_of = owners.get
    named = [(n, set(map(owner_of, links[n].keys))) for n in places]
    meeting = set[int | None]().union(*(found for _n, found in named if len(found) > 1))
    settled = {n: owner for n, found in named for owner in found if owner is not None and owner not in meeting}
    return settled, {owner for owner in meeting if owner is not None}


def see_settled(links: Sequence[Link], settled: Mapping[int, int]) -> dict[int, Seen]:
    """When the settled links saw each profile."""
    seen: dict[int, Seen] = {}
    for n, profile_id in settled.items():
        at = links[n].occurred_at
        seen[profile_id] = seen[profile_id].and_at(at) if profile_id in seen else Seen(at, at)
    return seen


def seen_by_both(one: Mapping[int, Seen], other: Mapping[int, Seen]) -> dict[int, Seen]:
    """When either saw each profile."""
    seen = dict(one)
    for profile_id, when in other.items():
        seen[profile_id] = seen[profile_id].and_at(when.first).and_at(when.last) if profile_id in seen else when
    return seen


def read_mark() -> Mark:
    """How far things are at this moment."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT coalesce(max(id), 0) FROM profiles_identitychange),
                (SELECT coalesce(max(id), 0) FROM profiles_identifier),
                (
                    SELECT coalesce(sum(n_people_taken_back), 0)::bigint
                    FROM profiles_import WHERE n_people_taken_back > 0
                )
            """
        )
        return Mark(*cursor.fetchone())


def absorbed_since(mark: int) -> set[int] | None:
    """The profiles that were merged into others by later rows of the feed; None where any of these tells of a split, or
    of somebody erased.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT profile.id, change.change
            FROM profiles_identitychange AS change
            JOIN profiles_profile AS profile ON profile.public_id = change.profile
            WHERE change.id > %s
            """,
            [mark],
        )
        changes = cursor.fetchall()
    if any(change != MERGED for _profile_id, change in changes):
        return None
    return {profile_id for profile_id, _change in changes}
