"""Find a person by what an operator types."""

from __future__ import annotations

from profiles.models import IdentifierKind
from profiles.services.resolve import as_uuid, find_by_identifiers, find_by_public_ids


def find_by_identifier(term: str) -> list[int]:
    """Ids of the profiles, survivors of merges, with `term` as public id or as an identifier of any kind.

    `email:ann@example.com` looks for one kind; without a kind, `term` is read as each kind in turn. Four queries at
    most, all by unique index.
    """
    if as_uuid(term) is not None and (found := find_by_public_ids([term])):
        return list(found.values())
    kinds = list(IdentifierKind.objects.values_list("key", flat=True))
    kind, _colon, value = term.partition(":")
    asked = [(kind, value)] if kind in kinds else [(key, term) for key in kinds]
    return sorted(set(find_by_identifiers(asked).values()))
