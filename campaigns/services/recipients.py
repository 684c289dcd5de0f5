"""Who the deliveries of a batch go to, and what their templates see: a fixed number of queries for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from campaigns.channels.base import Channel
from campaigns.models import Delivery, Suppression
from campaigns.rendering import present
from campaigns.variables import SEEN_AT
from profiles.models import Consent, Identifier, Profile
from profiles.sections import load_sections
from segments.models import Tier


@dataclass(frozen=True)
class Recipient:
    """The person behind a delivery; `address` is "" where the channel reaches none of their identifiers.

    `suppression` is why the address is on the list of those not written to, None where it is not.
    """

    person_id: int
    address: str
    is_denied: bool
    suppression: str | None
    context: dict[str, Any]


def load_recipients(deliveries: Sequence[Delivery], channel: Channel) -> dict[int, Recipient]:
    """By delivery id. The deliveries come with `profile__merged_into`, the last sights of both, and `tier` selected.

    The person is whom the profile stands for now, after merges; the tier is that of the planning.
    """
    people = {delivery.pk: delivery.profile.merged_into or delivery.profile for delivery in deliveries}
    person_ids = sorted({person.pk for person in people.values()})
    addresses = _addresses(people.values(), person_ids, channel.identifier_kind)
    denied = _denied(person_ids, channel.consent_channel)
    suppressed = Suppression.objects.of_addresses(
        addresses.values(), kind=channel.identifier_kind, channel=channel.consent_channel
    )
    sections = load_sections(person_ids, keys={"tags", "scores"})
    return {
        delivery.pk: Recipient(
            person_id=person.pk,
            address=addresses.get(person.pk, ""),
            is_denied=person.pk in denied,
            suppression=suppressed.get(addresses.get(person.pk, "")),
            context=context_of(person, delivery.tier, sections[person.pk]),
        )
        for delivery in deliveries
        for person in [people[delivery.pk]]
    }


def _addresses(people: Iterable[Profile], person_ids: Sequence[int], kind: str) -> dict[int, str]:
    """The identifier that the golden record names, else the one that was first seen last."""
    preferred = {person.pk: str(person.attributes.get(kind) or "").strip().casefold() for person in people}
    chosen: dict[int, str] = {}
    found = Identifier.objects.filter(profile__in=person_ids, kind__key=kind).order_by("first_seen_at", "id")
    for person_id, value in found.values_list("profile_id", "value"):
        if person_id not in chosen or chosen[person_id].casefold() != preferred[person_id]:
            chosen[person_id] = value
    return chosen


def _denied(person_ids: Sequence[int], channel: str) -> set[int]:
    """The people whose word in force on the channel is no."""
    in_force = Consent.objects.filter(profile__in=person_ids, channel=channel).in_force()
    return {
        person_id for person_id, state in in_force.values_list("profile_id", "state") if state == Consent.State.DENIED
    }


def context_of(person: Profile, tier: Tier | None, sections: dict[str, Any]) -> dict[str, Any]:
    """What templates see of a person in `tier`; `sections` are theirs of `tags` and `scores`."""
    return {
        "profile": {**present(person.attributes), **{key: getattr(person, key) for key in SEEN_AT}},
        "tier": present({"key": tier.key, "name": tier.name, "benefits": tier.benefits}) if tier else {},
        "tags": {tag["key"]: tag["value"] or True for tag in sections.get("tags", ())},
        "scores": present(sections.get("scores", {})),
    }
