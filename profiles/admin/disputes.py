"""Open conflicts as they touch one person, beside the identifier, and the attribute that shows what is another's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.utils.safestring import SafeString

from profiles.admin.identity import identifier_text, person_link
from profiles.masking import mask_identifier
from profiles.models import Identifier, IdentityConflict, Profile

MAX_CONFLICTS = 50


@dataclass(frozen=True)
class Disputed:
    """An open conflict, as seen from one of its two people: `other` is an identifier of the other one's `person`."""

    conflict: IdentityConflict
    other: str
    person: SafeString


@dataclass(frozen=True)
class OwnIdentifier:
    """An identifier of the person: who else is said to have it, and what was named with it and stayed elsewhere."""

    identifier: Identifier
    value: str
    claimed_by: list[Disputed]
    came_with: list[Disputed]


def conflicts_of(profile: Profile) -> list[IdentityConflict]:
    """The open conflicts in which the person is either side, the latest first."""
    own = list(Identifier.objects.filter(profile=profile).values_list("pk", flat=True))  # a join would read them all
    sides = Q(anchor__in=own) | Q(left_out__in=own)
    related = ("anchor__kind", "anchor__profile", "left_out__kind", "left_out__profile")
    return list(IdentityConflict.objects.open().filter(sides).select_related(*related).order_by("-pk")[:MAX_CONFLICTS])


def own_identifier(identifier: Identifier, conflicts: Sequence[IdentityConflict], user: Any) -> OwnIdentifier:
    claims = [conflict for conflict in conflicts if conflict.left_out_id == identifier.pk]
    came = [conflict for conflict in conflicts if conflict.anchor_id == identifier.pk]
    return OwnIdentifier(
        identifier=identifier,
        value=mask_identifier(identifier.kind.key, identifier.value, user),
        claimed_by=[disputed(conflict, conflict.anchor, user) for conflict in claims],
        came_with=[disputed(conflict, conflict.left_out, user) for conflict in came],
    )


def stayed_with(profile: Profile, key: str, conflicts: Sequence[IdentityConflict], user: Any) -> Disputed | None:
    """Where an attribute shows an address or number that is an identifier of somebody else: whose it is."""
    for conflict in conflicts:
        theirs = conflict.left_out
        if theirs.kind.key == key and theirs.value == profile.attributes.get(key) and theirs.profile_id != profile.pk:
            return disputed(conflict, theirs, user)
    return None


def disputed(conflict: IdentityConflict, theirs: Identifier, user: Any) -> Disputed:
    return Disputed(conflict, identifier_text(theirs, user), person_link(theirs.profile, user))
