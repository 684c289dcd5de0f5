"""Writing a campaign: while it is a draft, and never after."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.models import Campaign, Content
from cdp.locks import lock_edited
from segments.models import Tier


class NotDraftError(ValueError):
    """The campaign was launched: what is said to whom stays as it was."""

    def __init__(self, campaign: Campaign) -> None:
        super().__init__(_("The campaign “%s” was launched and stays as it is.") % campaign.key)


class OtherSchemeError(ValueError):
    """A content is for a tier of another scheme than the campaign's."""


@dataclass(frozen=True)
class Draft:
    """One content to be written; no tier is the fallback."""

    tier: Tier | None
    subject: str
    body: str


def save_campaign(
    campaign: Campaign, *, contents: Sequence[Draft] | None = None, changed: Collection[str] | None = None
) -> None:
    """Save a new campaign or a draft, and, where given, exactly these contents; of a draft that is there the `changed`
    fields, None: all. Raises NotDraftError.
    """
    with transaction.atomic():
        stored = lock_edited(campaign, changed)
        if stored is not None and not stored.is_draft:
            raise NotDraftError(stored)
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


def check_tiers(campaign: Campaign) -> None:
    """To be called once it is saved, in the same transaction: who changes its scheme and who writes its contents may be
    two, of whom each has seen the other's part as it was before.

    Raises OtherSchemeError.
    """
    of_tiers = campaign.contents.filter(tier__isnull=False)
    if of_tiers.exclude(tier__scheme=campaign.tier_scheme_id).exists():
        raise OtherSchemeError


def delete_campaign(campaign: Campaign) -> None:
    """Delete a draft with its contents. Raises NotDraftError, and ValidationError where it was deleted meanwhile."""
    with transaction.atomic():
        stored = lock_edited(campaign, None, is_exclusive=True)
        if stored is not None and not stored.is_draft:
            raise NotDraftError(campaign)
        campaign.delete()
