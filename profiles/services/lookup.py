"""Find profiles by what the outside calls them: identifiers and public ids, many at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from profiles.identity.normalise import normalise
from profiles.models import Identifier, IdentifierKind, Profile, Source

# Who asks is no source: numbers without a country code are read as by a new one.
DEFAULT_REGION: str = Source._meta.get_field("default_region").get_default()


class Named(NamedTuple):
    """An identifier as somebody writes it, such as `phone`, `138 0013 8000`."""

    kind: str
    value: str


class UnknownKindError(ValueError):
    """No identifier kind has this key."""


def profiles_by_identifier(asked: Iterable[Named]) -> dict[Named, int]:
    """Profile ids by identifier as asked; nobody's are left out. Two queries, by unique index.

    Raises UnknownKindError, which names the kind and those that exist.
    """
    kinds = {kind.key: kind for kind in IdentifierKind.objects.all()}
    wanted: defaultdict[tuple[int, str], list[Named]] = defaultdict(list)
    for named in set(asked):
        if named.kind not in kinds:
            raise UnknownKindError(f"unknown identifier kind {named.kind!r}; known: {', '.join(kinds)}")
        kind = kinds[named.kind]
        value = normalise(kind, named.value, DEFAULT_REGION)
        if value is not None:
            wanted[kind.pk, value].append(named)
    rows = _identifiers(wanted).values_list("kind_id", "value", "profile_id") if wanted else ()
    return {named: profile_id for kind_id, value, profile_id in rows for named in wanted[kind_id, value]}


def _identifiers(keys: Iterable[tuple[int, str]]) -> QuerySet[Identifier]:
    values: defaultdict[int, list[str]] = defaultdict(list)
    for kind_id, value in keys:
        values[kind_id].append(value)
    condition = Q()
    for kind_id, of_kind in values.items():
        condition |= Q(kind_id=kind_id, value__in=of_kind)
    return Identifier.objects.filter(condition)


def profiles_by_public_id(asked: Sequence[UUID]) -> dict[UUID, int]:
    """Profile ids by public id, a merged-away one's being the survivor's; unknown ones are left out. One query."""
    rows = Profile.objects.filter(public_id__in=asked).values_list("public_id", "pk", "merged_into_id")
    return {public_id: merged_into or pk for public_id, pk, merged_into in rows}
