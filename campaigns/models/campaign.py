"""A message to many, with one content per tier."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from campaigns.rendering import validate_template
from campaigns.variables import load_names, name_problems


class CampaignQuerySet(models.QuerySet["Campaign"]):
    def sending(self) -> Self:
        """Campaigns whose deliveries are all planned and not all settled, the earliest launched first."""
        return self.filter(state=Campaign.State.SENDING).order_by("launched_at", "id")


class Campaign(models.Model):
    """A message to the members of a segment or of a tier scheme, sent when launched.

    `tier_scheme` decides the contents' tiers; without one there is the fallback content alone.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PLANNING = "planning", _("Planning")
        SENDING = "sending", _("Sending")
        FINISHED = "finished", _("Finished")

    key = models.SlugField(_("key"), max_length=50, unique=True)
    name = models.CharField(_("name"), max_length=100)
    channel = models.SlugField(_("channel"), max_length=50)
    segment = models.ForeignKey(
        "segments.Segment",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("audience: segment"),
        help_text=_("Empty: everybody who stands in the tier scheme."),
    )
    tier_scheme = models.ForeignKey(
        "segments.TierScheme",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("tier scheme"),
    )
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.DRAFT, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        editable=False,
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    launched_at = models.DateTimeField(_("launched"), null=True, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, editable=False)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        ordering = ["-id"]
        permissions = [("launch_campaign", _("Can launch campaigns"))]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(segment__isnull=False) | models.Q(tier_scheme__isnull=False),
                name="campaign_has_audience",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_draft(self) -> bool:
        """Whether it may still be edited: once launched, what is said to whom stays as it was."""
        return self.state == self.State.DRAFT


class Content(models.Model):
    """Subject and body, as Liquid templates, for one tier; no tier is the fallback `*`."""

    PART_OF = "campaign"  # what still uses a tier is named so: profiles/refresh/protection.py

    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, related_name="contents", verbose_name=_("campaign")
    )
    tier = models.ForeignKey(
        "segments.Tier",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("tier"),
        help_text=_("Empty: everybody whose tier has no content of its own."),
    )
    subject = models.CharField(_("subject"), max_length=250, validators=[validate_template])
    body = models.TextField(
        _("body"),
        validators=[validate_template],
        help_text=_("HTML with Liquid: {{ profile.name | default: 'friend' }}"),
    )

    class Meta:
        verbose_name = _("content")
        verbose_name_plural = _("contents")
        constraints = [
            models.UniqueConstraint(fields=["campaign", "tier"], name="content_campaign_tier", nulls_distinct=False)
        ]

    def __str__(self) -> str:
        return self.subject

    def clean(self) -> None:
        scheme_id = self.campaign.tier_scheme_id
        if self.tier is not None and self.tier.scheme_id != scheme_id:
            raise ValidationError({"tier": _("This tier is not one of the campaign's tier scheme.")})
        names = load_names(has_tiers=scheme_id is not None)
        if problems := name_problems({"subject": self.subject, "body": self.body}, names):
            raise ValidationError(problems)
