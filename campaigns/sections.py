"""What this app adds to the profile page: the last messages, and the addresses that get none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Exists, F, OuterRef, QuerySet, Window
from django.db.models.functions import Coalesce, RowNumber
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from campaigns.models import Delivery, Suppression
from profiles.masking import mask_address, mask_identifier
from profiles.models import Identifier, Profile
from profiles.sections import Section, register_section

N_MESSAGES = 10


def load_deliveries(profile_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """The last messages of each person, the latest first, those planned on profiles merged since included.

    Each is `{"campaign", "name", "subject", "tier", "state", "reason", "at"}`; one query.
    """
    person = Coalesce("profile__merged_into_id", "profile_id")
    latest = Window(RowNumber(), partition_by=[person], order_by=F("pk").desc())
    rows = (
        Delivery.objects.of_people(profile_ids)
        .annotate(rank=latest)
        .filter(rank__lte=N_MESSAGES)
        .select_related("campaign", "content", "tier", "profile")
        .order_by("rank")
    )
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row.profile.merged_into_id or row.profile_id, []).append(
            {
                "campaign": row.campaign.key,
                "name": row.campaign.name,
                "subject": row.content.subject if row.content else "",
                "tier": row.tier.name if row.tier else "",
                "state": row.get_state_display(),
                "reason": row.get_reason_display(),
                "at": row.settled_at or row.planned_at,
            }
        )
    return found


def suppressions_of(profile: Profile) -> QuerySet[Suppression]:
    """The entries of the list that name an address of the person, the latest first."""
    own = Identifier.objects.filter(profile=profile, kind=OuterRef("kind"), value=OuterRef("value"))
    return Suppression.objects.filter(Exists(own)).select_related("kind").order_by("-pk")


def deliveries_page(request: HttpRequest, profile: Profile) -> dict[str, Any]:
    suppressions = [
        {
            "row": row,
            "address": mask_identifier(row.kind.key, row.value, request.user),
            "reason": mask_address(row.reason, request.user),
        }
        for row in suppressions_of(profile)
    ]
    return {"deliveries": load_deliveries([profile.pk]).get(profile.pk, []), "suppressions": suppressions}


register_section(
    Section(
        key="deliveries",
        order=90,
        load=load_deliveries,
        empty=list,
        title=_("Last messages"),
        template="campaigns/sections/deliveries.html",
        page=deliveries_page,
        is_page_only=True,
    )
)
