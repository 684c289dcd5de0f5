"""Find a person by what an operator types."""

from __future__ import annotations

from profiles.models import IdentifierKind
from profiles.services.resolve import Reference, as_uuid, find_by_identifiers, find_by_public_ids, known_identifiers


def find_by_identifier(term: str) -> list[int]:
    """Ids of the profiles, survivors of merges, with `term` as public id or as an identifier of any kind.

    `email:ann@example.com` looks for one kind; without a kind, `term` is read as each kind in turn. Four queries at
    most, all by unique index.
    """
    if as_uuid(term) is not None and (found := find_by_public_ids([term])):
        return list(found.values())
    return sorted(set(find_by_identifiers(references_in(term)).values()))


def find_identifiers(term: str) -> list[int]:
    """Ids of the identifiers that `term` names, of one kind or of any; three queries."""
    return sorted({known.id for known in known_identifiers(references_in(term)).values()})


def references_in(term: str) -> list[Reference]:
    kinds = list(IdentifierKind.objects.values_list("key", flat=True))
    kind, _colon, value = term.partition(":")
    return [(kind, value)] if kind in kinds else [(key, term) for key in kinds]
