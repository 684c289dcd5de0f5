"""What the page of one person shows, as this user may see it. Each part is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from profiles.admin.disputes import Disputed, conflicts_of, own_identifier, stayed_with
from profiles.admin.graph import graph_of
from profiles.admin.history import barriers_of, history_of
from profiles.admin.timeline import timeline_context
from profiles.ingest.survivorship import Candidate, Policy, Said, kept_by, policy_of
from profiles.masking import mask_attribute, mask_attributes
from profiles.models import (
    AttributeDefinition,
    Contribution,
    Identifier,
    IdentityConflict,
    Profile,
    Survivorship,
)
from profiles.sections import all_sections

MAX_ROWS = 200


@dataclass(frozen=True)
class Saying:
    """What one source last said of an attribute; `chosen` is the one that the golden record took."""

    source: str
    value: Any
    fits: bool
    chosen: bool
    at: datetime


@dataclass(frozen=True)
class Fact:
    """One attribute: its value in the golden record, and what each source said."""

    definition: AttributeDefinition
    value: Any
    sayings: list[Saying]
    stayed_with: Disputed | None


def person_context(request: HttpRequest, profile: Profile) -> dict[str, Any]:
    """Everything on the page of one person."""
    identifiers = list(
        Identifier.objects.filter(profile=profile).select_related("kind").order_by("kind__priority", "pk")[:MAX_ROWS]
    )
    conflicts, graph = conflicts_of(profile), graph_of(profile, request.user)
    deeds = history_of(profile, request.user)
    return {
        "profile": profile,
        "is_known": any(identifier.kind.is_personal for identifier in identifiers),
        "facts": facts_of(profile, request.user, conflicts),
        "identifiers": [own_identifier(identifier, conflicts, request.user) for identifier in identifiers],
        "n_identifiers_left_out": graph.n_nodes - len(identifiers),
        "deeds": deeds,
        "has_splits": any(deed.again_url for deed in deeds),
        "barriers": barriers_of(profile, request.user),
        "sections": sections_of(request, profile),
        "graph": graph,
        "timeline_before": request.GET.get("before", ""),
        **timeline_context(request, profile, before=request.GET.get("before", "")),
    }


def facts_of(profile: Profile, user: Any, conflicts: Sequence[IdentityConflict] = ()) -> list[Fact]:
    """The attributes in the order of their labels, each with what its sources said, the chosen first."""
    said: dict[int, list[Contribution]] = {}
    contributions = (
        Contribution.objects.filter(anchor__profile=profile)
        .select_related("source", "definition")
        .order_by("-occurred_at")[:MAX_ROWS]
    )
    for contribution in contributions:
        said.setdefault(contribution.definition_id, []).append(contribution)
    keys = list(profile.attributes)
    definitions = AttributeDefinition.objects.filter(Q(key__in=keys) | Q(pk__in=list(said))).order_by("pk")
    golden = mask_attributes(profile.attributes, user)
    return [
        Fact(
            definition=definition,
            value=golden.get(definition.key),
            sayings=sayings_of(profile, definition, said.get(definition.pk, []), user),
            stayed_with=stayed_with(profile, definition.key, conflicts, user),
        )
        for definition in definitions
    ]


def sayings_of(
    profile: Profile, definition: AttributeDefinition, contributions: list[Contribution], user: Any
) -> list[Saying]:
    """In the order in which survivorship prefers them; the first that fits is the one it took."""
    golden = profile.attributes.get(definition.key)
    policy = policy_of(definition.survivorship, definition.type)
    if policy is not None:
        return sayings_kept(policy, definition, contributions, golden, user)
    by_rank = definition.survivorship == Survivorship.SOURCE_RANK

    def preference(said: Contribution) -> tuple[Any, ...]:
        rank, time = said.source.rank, said.occurred_at
        return (said.fits, *((rank, time) if by_rank else (time, rank)), said.message_id)

    ordered = sorted(contributions, key=preference, reverse=True)
    return [
        Saying(
            source=said.source.name,
            value=mask_attribute(definition.key, said.value, user),
            fits=said.fits,
            chosen=index == 0 and said.fits and said.value == golden,
            at=said.occurred_at,
        )
        for index, said in enumerate(ordered)
    ]


def sayings_kept(
    policy: Policy, definition: AttributeDefinition, contributions: list[Contribution], golden: Any, user: Any
) -> list[Saying]:
    """What each source brings into the choice, which need not be its last value; those that were taken come first."""
    sayings = []
    for said in contributions:
        last = Said(said.occurred_at, said.message_id, said.value, said.fits)
        kept = kept_by(policy, said.kept, last)
        value = policy.choose([Candidate(kept, said.source.rank, said.source_id)]) if kept else said.value
        is_part = isinstance(value, list) and isinstance(golden, list) and all(item in golden for item in value)
        sayings.append(
            Saying(
                source=said.source.name,
                value=mask_attribute(definition.key, value, user),
                fits=kept is not None or said.fits,
                chosen=kept is not None and value is not None and (value == golden or is_part),
                at=said.occurred_at,
            )
        )
    return sorted(sayings, key=lambda saying: not saying.chosen)


def sections_of(request: HttpRequest, profile: Profile) -> list[SafeString]:
    """What the apps above say of the person."""
    shown = [section for section in all_sections() if section.template]
    return [
        render_to_string(
            section.template,
            {"profile": profile, "title": section.title, **(section.page(request, profile) if section.page else {})},
            request=request,
        )
        for section in shown
    ]
