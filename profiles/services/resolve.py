"""Find profiles by what others know of them: an identifier or a public id, merged-away ones included."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models.functions import Coalesce

from profiles.identity.groups import Key
from profiles.identity.identifiers import Known, load_identifiers
from profiles.identity.normalise import spell
from profiles.models import IdentifierKind, Profile
from profiles.models.source import DEFAULT_REGION

Reference = tuple[str, str]  # kind key and value, as somebody wrote them


def find_by_identifiers(references: Iterable[Reference], *, region: str = DEFAULT_REGION) -> dict[Reference, int]:
    """Profile ids of the identifiers that somebody has, by the reference as written; two queries for any number."""
    return {reference: known.profile_id for reference, known in known_identifiers(references, region=region).items()}


def known_identifiers(references: Iterable[Reference], *, region: str = DEFAULT_REGION) -> dict[Reference, Known]:
    """The identifiers that somebody has, by the reference as written; two queries for any number.

    One that was blocked after it came is found as well: somebody still has it.
    """
    kinds = {kind.key: kind for kind in IdentifierKind.objects.all()}
    keys: dict[Reference, Key] = {}
    for kind_key, written in references:
        kind = kinds.get(kind_key)
        value = spell(kind.normaliser, written, region) if kind and "\0" not in written else None
        if kind and value is not None:
            keys[kind_key, written] = Key(kind.pk, value)
    known = load_identifiers(sorted(set(keys.values())))
    return {reference: known[key] for reference, key in keys.items() if key in known}


def find_by_public_ids(public_ids: Iterable[str | UUID]) -> dict[UUID, int]:
    """Profile ids by public id, a merged-away one with its survivor's; one query for any number."""
    wanted = [public_id for written in public_ids if (public_id := as_uuid(written)) is not None]
    return dict(
        Profile.objects.filter(public_id__in=wanted, erased_at__isnull=True)
        .annotate(current_id=Coalesce("merged_into_id", "id"))
        .values_list("public_id", "current_id")
    )


def as_uuid(written: str | UUID) -> UUID | None:
    """A UUID from its text, None where it is not one."""
    try:
        return written if isinstance(written, UUID) else UUID(written)
    except ValueError:
        return None
