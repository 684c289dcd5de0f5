"""What this app adds to the profile page: the last messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import F, Window
from django.db.models.functions import Coalesce, RowNumber
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from campaigns.models import Delivery
from profiles.models import Profile
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


def deliveries_page(request: HttpRequest, profile: Profile) -> dict[str, Any]:
    return {"deliveries": load_deliveries([profile.pk]).get(profile.pk, [])}


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
