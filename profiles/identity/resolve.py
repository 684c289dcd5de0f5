"""Whose message is it? The deterministic rules over a batch of messages, set-based.

Where neither a limit nor a separation binds, any order and any batching of the same messages put the same identifiers
together; where one binds, it is never exceeded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import Count

from cdp.locks import advisory_lock
from cdp.rules.scope import Scope
from profiles.followers import Merged
from profiles.identity.consents import overrulings, write_overrulings
from profiles.identity.foresight import Foresight, confirm
from profiles.identity.groups import Group, Groups, Key, Link, Standing, profile_of, root_of
from profiles.identity.identifiers import Known, Sight, see_identifiers, sights_kept, write_identifiers
from profiles.identity.links import Conflict, write_conflicts, write_links
from profiles.identity.merge import Absorption, ProfileBefore, Reason, absorb
from profiles.identity.retelling import joined_by_hand
from profiles.identity.separations import bind_separations
from profiles.identity.sights import read_last_sights
from profiles.identity.strangers import Made, Seen, make_profiles, strangers
from profiles.models import Identifier, IdentifierKind, ProfileMerge

__all__ = ["Anchor", "Key", "Link", "Resolution", "resolve"]


class Anchor(NamedTuple):
    """The identifier that a message hangs on, and whose it is."""

    identifier_id: int
    profile_id: int


@dataclass(frozen=True)
class Resolution:
    """`anchors` are in the order of the links. `last_seen` tells when the profiles of before were last seen before this
    batch; `created` are the new ones, to be written before the transaction ends (only then the database checks what
    points at them); `gained` are the kinds of the new identifiers of those of before, at least; `seen` are, by profile,
    the times of this batch and of whom it absorbed, `seen_earlier` and `seen_later` those of people of before that lie
    outside of what was known of them. `late` are those of whom a message told of a word or a join from before what was
    known of them: their consents are to be told again. `merged` must be given to `merge.write_feeds` at the end of the
    transaction; `merging_sources` are the ids of the sources whose messages asked for these merges.
    """

    anchors: list[Anchor]
    last_seen: dict[int, datetime]
    created: list[Made]
    merged: list[Merged]
    merging_sources: list[int]
    gained: dict[int, set[int]]
    seen: dict[int, Seen]
    seen_earlier: dict[int, datetime]
    seen_later: dict[int, datetime]
    late: set[int]


def resolve(
    links: Sequence[Link], foreseen: Foresight, *, kinds: Iterable[IdentifierKind], now: datetime
) -> Resolution:
    """Find or make the profile of each link, merge those that links join, and write down who said so. `foreseen` is
    what `foresee` told of these links earlier in the same transaction.

    Takes the identity lock, then the locks of the profiles by id, until the end of the open transaction; but for those
    who are merely seen, doing something, and of whose profile nothing is written.
    """
    limits = {kind.pk: kind.limit_per_profile for kind in kinds if kind.limit_per_profile is not None}
    advisory_lock("identity")
    known, settled, resettled, open_, seen, told, untold = confirm(links, foreseen)
    named = told + [links[n] for n in open_]
    profiles = read_profiles({known[key].profile_id for link in named for key in link.keys if key in known})
    last_seen = {profile.id: profile.last_seen_at for profile in profiles.values()}
    last_seen |= read_last_sights({identifier.profile_id for identifier in known.values()} - profiles.keys())
    latest = latest_words(links, last_seen)
    late = late_settled(links, settled, latest)
    lock_profiles(last_seen.keys() - merely_seen(links, settled, seen, profiles, late))
    alone = strangers(links, open_, known)
    joining = [n for n in open_ if n not in alone]
    groups = group_keys([links[n] for n in joining], known, profiles, limits)

    kept: dict[int, Sequence[Key]] = {n: links[n].keys for n in alone}
    conflicts: list[Conflict] = []
    for n in joining:
        kept[n], left_out = groups.join(links[n])
        conflicts += [Conflict(links[n], key, kind_id) for key, kind_id in left_out]

    seen_of_group = see(links, joining, conflicts, groups)
    nameless = [group for group in seen_of_group if group.profile is None]
    created = make_profiles([*(seen_of_group[group] for group in nameless), *alone.values()])
    for group, made in zip(nameless, created, strict=False):
        group.profile = Standing(made.seen.first, UUID(made.public_id), made.id)
    made_of = dict(zip(alone, created[len(nameless) :], strict=True))
    joined = absorptions(groups, profiles)
    overruled = overrulings(groups)
    merged = absorb(joined, now=now)
    sights = see_identifiers([links[n] for n in joining] + told)
    for n, made in made_of.items():
        sight = Sight(made.seen.first, links[n].import_id)
        for key in links[n].keys:
            sights[key] = sight
    kept_sights = sights_kept(sights, links, kept, conflicts, known)
    owners_of = {key: made.id for n, made in made_of.items() for key in links[n].keys}
    ids, new_ids, gained = write_identifiers(kept_sights, known, groups, owners_of)
    write_overrulings([(profile_of(root_of(overruling.group)), overruling) for overruling in overruled], ids)
    said = [(links[n], links[n].keys) for n in resettled] + [(links[n], keys) for n, keys in kept.items()]
    write_links(said, ids, untold=untold, new_ids=new_ids)
    write_conflicts(conflicts, ids)
    owners = settled | {n: made.id for n, made in made_of.items()}
    owners |= {n: profile_of(groups.find(links[n].keys[0])) for n in joining}
    anchors = [Anchor(ids[link.keys[0]], owners[n]) for n, link in enumerate(links)]
    seen |= {profile_of(group): when for group, when in seen_of_group.items()}
    seen |= {made.id: made.seen for made in made_of.values()}
    for absorbed, survivor, _parent, _reason in joined:
        seen[survivor.id] = seen[survivor.id].and_at(absorbed.first_seen_at).and_at(absorbed.last_seen_at)
    merging_sources = [absorption.reason.source_id for absorption in joined if absorption.reason.source_id is not None]
    late |= late_open(groups, latest)
    return Resolution(
        anchors,
        last_seen,
        created,
        merged,
        merging_sources,
        gained,
        seen,
        {pk: seen[pk].first for pk, old in profiles.items() if pk in seen and seen[pk].first < old.first_seen_at},
        {pk: seen[pk].last for pk, at in last_seen.items() if pk in seen and seen[pk].last > at},
        late,
    )


def merely_seen(
    links: Sequence[Link],
    settled: Mapping[int, int],
    seen: Mapping[int, Seen],
    profiles: Mapping[int, ProfileBefore],
    late: Set[int],
) -> set[int]:
    """The people of settled links of whom these say nothing, but for what they did and when. `seen` are their times,
    `profiles` those who may have been seen earlier than was known, `late` those whose consents are to be told again.
    """
    told = {settled[n] for n in settled if links[n].has_traits or links[n].consents}
    found = {pk for pk, when in seen.items() if pk not in profiles or when.first >= profiles[pk].first_seen_at}
    return found - told - late


def latest_words(links: Iterable[Link], last_seen: Mapping[int, datetime]) -> dict[int, datetime]:
    """By profile, how late anything may have been said or decided of who it is or what it wants, as far as that is not
    before all of the links that say so, too.
    """
    since = min((link.occurred_at for link in links if says_who_or_what(link)), default=None)
    joined = joined_by_hand(last_seen.keys(), since) if since and last_seen else {}
    return {**last_seen, **{pk: max(at, last_seen[pk]) for pk, at in joined.items()}}


def says_who_or_what(link: Link) -> bool:
    """Whether it says what its person wants, or who they are."""
    return bool(link.consents) or len(link.keys) > 1


def late_settled(links: Sequence[Link], settled: Mapping[int, int], latest: Mapping[int, datetime]) -> set[int]:
    """The people of settled links of whom one says what they want, or who they are, from before the latest word."""
    return {
        profile_id
        for n, profile_id in settled.items()
        if says_who_or_what(links[n]) and links[n].occurred_at <= latest[profile_id]
    }


def late_open(groups: Groups, latest: Mapping[int, datetime]) -> set[int]:
    """The same of the others: by whom they are now, and the latest word of any part of them."""
    latest_of: dict[Group, datetime] = {}
    for profile_id, group in groups.of_profile.items():
        root, at = root_of(group), latest[profile_id]
        latest_of[root] = max(latest_of.get(root, at), at)
    found = set()
    for link, group, _taken_in in groups.steps:
        if says_who_or_what(link):
            root = root_of(group)
            if root in latest_of and link.occurred_at <= latest_of[root]:
                found.add(profile_of(root))
    return found


def lock_profiles(ids: Collection[int]) -> None:
    """In the order of id; under the identity lock nobody can merge them away meanwhile."""
    if not ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT FROM profiles_profile WHERE id IN (SELECT json_array_elements_text(%s)::bigint)
            ORDER BY id FOR NO KEY UPDATE
            """,
            [orjson.dumps(list(ids)).decode()],
        )


def read_profiles(ids: Collection[int]) -> dict[int, ProfileBefore]:
    """As they stand, under the identity lock: nobody writes their times without it."""
    if not ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT profile.id, profile.public_id, profile.first_seen_at::text, sight.at::text
            FROM profiles_profile AS profile JOIN profiles_lastsight AS sight ON sight.profile_id = profile.id
            WHERE profile.id IN (SELECT json_array_elements_text(%s)::bigint)
            """,
            [orjson.dumps(list(ids)).decode()],
        )
        return {
            pk: ProfileBefore(pk, public_id, datetime.fromisoformat(first_seen), datetime.fromisoformat(last_seen))
            for pk, public_id, first_seen, last_seen in cursor.fetchall()
        }


def group_keys(
    links: Sequence[Link],
    known: Mapping[Key, Known],
    profiles: Mapping[int, ProfileBefore],
    limits: Mapping[int, int],
) -> Groups:
    """Everybody whom the links name, as they stand before the batch."""
    keys = {key for link in links for key in link.keys}
    meeting = [profiles[profile_id] for profile_id in sorted({known[key].profile_id for key in keys if key in known})]
    counts = count_identifiers([profile.id for profile in meeting], limits)
    group_of_profile = {
        profile.id: Group(Standing(profile.first_seen_at, profile.public_id, profile.id), counts[profile.id])
        for profile in meeting
    }
    bind_separations(group_of_profile)
    groups = Groups(limits)
    for key in keys:
        if key in known:
            groups.add(key, group_of_profile[known[key].profile_id])
        else:
            groups.add_new(key)
    return groups


def count_identifiers(profile_ids: Collection[int], limits: Mapping[int, int]) -> dict[int, dict[int, int]]:
    """By profile and kind, how many identifiers it has of the kinds with a limit."""
    counts: dict[int, dict[int, int]] = defaultdict(dict)
    if profile_ids and limits:
        counted = (
            Identifier.objects.filter(Scope(sorted(profile_ids)).on("profile_id"), kind__in=list(limits))
            .values_list("profile_id", "kind_id")
            .annotate(n=Count("id"))
        )
        for profile_id, kind_id, n in counted:
            counts[profile_id][kind_id] = n
    return counts


def see(
    links: Sequence[Link], places: Iterable[int], conflicts: Iterable[Conflict], groups: Groups
) -> dict[Group, Seen]:
    """When the links at these places saw each group. A new one that was only left out of links is seen too, to have a
    time at all.
    """
    seen: dict[Group, Seen] = {}
    for n in places:
        group, at = groups.find(links[n].keys[0]), links[n].occurred_at
        seen[group] = seen.get(group, Seen(at, at)).and_at(at)
    for conflict in conflicts:
        group = groups.find(conflict.left_out)
        if group.profile is None and group not in seen:
            seen[group] = Seen(conflict.link.occurred_at, conflict.link.occurred_at)
    return seen


def absorptions(groups: Groups, profiles: Mapping[int, ProfileBefore]) -> list[Absorption]:
    """The merges that the joined groups ask for, by survivor; those of one parent in the order of the links."""
    roots = {profile_of(root): root for root in map(root_of, groups.of_profile.values())}
    return [
        Absorption(
            profiles[absorbed.profile.id],
            profiles[survivor_id],
            absorbed.parent.id,
            Reason(ProfileMerge.Cause.MESSAGE, absorbed.link.source_id, absorbed.link.message_id),
        )
        for survivor_id, root in sorted(roots.items())
        for absorbed in root.absorbed
    ]
