"""The golden records of people whom a batch has made: nobody else has said anything of them yet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from cdp.copy import copy_lines, json_as_text, time_as_text
from profiles.identity.resolve import Anchor
from profiles.identity.strangers import Made
from profiles.ingest.contributions import Written
from profiles.ingest.moments import write_moments
from profiles.ingest.survivorship import Candidate, Said, kept_by, policy_of
from profiles.models import AttributeDefinition, LastSight, Profile, Source, Survivorship

Place = tuple[int, int]  # ids of profile and definition


def fold_newcomers(
    created: Collection[int],
    written: Written,
    anchors: Sequence[Anchor],
    definitions: Mapping[str, AttributeDefinition],
    sources: Mapping[int, Source],
) -> dict[int, dict[str, Any]]:
    """As `records.fold` has it, of the profiles in `created`, without asking the database.

    It would be asked for each of many thousand people whom a file brings, from tables that grow so fast that what it
    has counted of them is long untrue: 100 to 375 µs each, more than all else together (2026-11).
    """
    owners = {anchor.identifier_id: anchor.profile_id for anchor in anchors if anchor.profile_id in created}
    by_id = {definition.pk: definition for definition in definitions.values()}
    policies = {pk: policy_of(each.survivorship, each.type) for pk, each in by_id.items()}
    winners: dict[Place, tuple[int, Said]] = {}  # by id of the definition: the source, and what it said
    candidates: dict[Place, list[Candidate]] = {}
    for slot, said in written.latest.items():
        anchor_id, source_id, definition_id = slot
        if (owner := owners.get(anchor_id)) is None:
            continue
        place = (owner, definition_id)
        if (policy := policies[definition_id]) is not None:
            if (kept := kept_by(policy, written.kept.get(slot), said)) is not None:
                candidates.setdefault(place, []).append(Candidate(kept, sources[source_id].rank, source_id))
        elif said.fits:
            winner = winners.get(place)
            if winner is None or wins(source_id, said, winner, by_id[definition_id], sources):
                winners[place] = (source_id, said)
    chosen = {place: said.value for place, (_source_id, said) in winners.items()}
    for place, found in candidates.items():
        policy = policies[place[1]]
        assert policy is not None
        chosen[place] = policy.choose(found)
    keys = {pk: each.key for pk, each in by_id.items()}
    records: dict[int, dict[str, Any]] = {owner: {} for owner in owners.values()}
    for (owner, definition_id), value in chosen.items():
        if value is not None:
            records[owner][keys[definition_id]] = value
    return records


def wins(
    source_id: int,
    said: Said,
    winner: tuple[int, Said],
    definition: AttributeDefinition,
    sources: Mapping[int, Source],
) -> bool:
    """Whether what a source said goes before what is known, with its source."""
    is_ranked = definition.survivorship == Survivorship.SOURCE_RANK

    def order(source_id: int, said: Said) -> tuple[Any, ...]:
        rank = sources[source_id].rank
        return (rank if is_ranked else 0, said.occurred_at, rank, said.message_id, source_id)

    return order(source_id, said) > order(*winner)


def write_newcomers(
    created: Collection[Made], records: Mapping[int, dict[str, Any]], definitions: Mapping[str, AttributeDefinition]
) -> None:
    """Write the profiles that a batch has made, each once and for all, with its golden record and the moments of it."""
    copy_lines(
        Profile._meta.db_table,
        ["id", "public_id", "attributes", "first_seen_at", "created_at"],
        (
            f"{made.id}\t{made.public_id}\t{json_as_text(records.get(made.id, {}))}\t{time_as_text(made.seen.first)}\t"
            f"{made.created_at}"
            for made in created
        ),
    )
    copy_lines(
        LastSight._meta.db_table,
        ["profile_id", "at"],
        (f"{made.id}\t{time_as_text(made.seen.last)}" for made in created),
    )
    if records:
        write_moments(records, definitions)
