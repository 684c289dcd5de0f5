"""Writing a campaign: while it is a draft, and never after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.models import Campaign, Content
from segments.models import Tier


class NotDraftError(ValueError):
    """The campaign was launched: what is said to whom stays as it was."""

    def __init__(self, campaign: Campaign) -> None:
        super().__init__(_("The campaign “%s” was launched and stays as it is.") % campaign.key)


@dataclass(frozen=True)
class Draft:
    """One content to be written; no tier is the fallback."""

    tier: Tier | None
    subject: str
    body: str


def save_campaign(campaign: Campaign, *, contents: Sequence[Draft] | None = None) -> None:
    """Save a new campaign or a draft, and, where given, exactly these contents. Raises NotDraftError."""
    with transaction.atomic():
        if campaign.pk is not None:
            lock_draft(campaign)
        campaign.save()
        if contents is None:
            return
        campaign.contents.exclude(tier__in=[draft.tier for draft in contents if draft.tier]).filter(
            tier__isnull=False
        ).delete()
        if all(draft.tier for draft in contents):
            campaign.contents.filter(tier__isnull=True).delete()
        for draft in contents:
            Content.objects.update_or_create(
                campaign=campaign, tier=draft.tier, defaults={"subject": draft.subject, "body": draft.body}
            )


def delete_campaign(campaign: Campaign) -> None:
    """Delete a draft with its contents. Raises NotDraftError."""
    with transaction.atomic():
        lock_draft(campaign)
        campaign.delete()


def lock_draft(campaign: Campaign) -> None:
    """Keep others from launching it until the end of the transaction. Raises NotDraftError where they did."""
    if not Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk).is_draft:
        raise NotDraftError(campaign)
