"""The delivery ledger: one leased row per recipient."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from django.db import models
from django.utils.translation import gettext_lazy as _


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def due(self, now: datetime) -> Self:
        """Planned deliveries whose time has come."""
        return self.filter(state=Delivery.State.PLANNED, not_before__lte=now)

    def of_people(self, profile_ids: Sequence[int]) -> Self:
        """Deliveries to the people that these profiles stand for: also those planned on a profile merged since."""
        return self.filter(models.Q(profile__in=profile_ids) | models.Q(profile__merged_into__in=profile_ids))

    def lapsed(self, now: datetime) -> Self:
        """Deliveries whose holder was lost: the lease ran out before they were settled."""
        return self.filter(state__in=[Delivery.State.CLAIMED, Delivery.State.SENDING], leased_until__lte=now)


class Delivery(models.Model):
    """One message to one profile; unique per campaign, step, profile and occurrence. Keeps its profile for ever.

    planned → claimed (lease and token, nothing handed over) → sending (committed just before the hand-over)
    → sent, failed, suppressed or unknown. Answers are written by the holder of the token alone.
    """

    class State(models.TextChoices):
        PLANNED = "planned", _("Planned")
        CLAIMED = "claimed", _("Claimed")
        SENDING = "sending", _("Sending")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")
        SUPPRESSED = "suppressed", _("Suppressed")
        UNKNOWN = "unknown", _("Unknown")

    class Reason(models.TextChoices):
        NO_ADDRESS = "no_address", _("no address on this channel")
        NO_CONSENT = "no_consent", _("consent was denied")
        SUPPRESSED = "suppressed", _("the address is on the suppression list")
        NO_CONTENT = "no_content", _("no content for this tier")
        MISSING_VALUE = "missing_value", _("the content needs a value that is missing")
        DUPLICATE = "duplicate", _("the same person was already written to")
        REFUSED = "refused", _("the channel refused it")
        GAVE_UP = "gave_up", _("given up after several tries")
        BAD_CONTENT = "bad_content", _("the content could not be rendered")

    PART_OF = "campaign"  # what still uses a tier is named so: profiles/refresh/protection.py

    campaign = models.ForeignKey(
        "campaigns.Campaign", on_delete=models.PROTECT, related_name="deliveries", verbose_name=_("campaign")
    )
    step = models.PositiveSmallIntegerField(_("step"), default=0)
    profile = models.ForeignKey(
        "profiles.Profile", on_delete=models.PROTECT, related_name="deliveries", verbose_name=_("profile")
    )
    occurrence = models.CharField(_("occurrence"), max_length=50, help_text=_("Which launch of the campaign."))
    tier = models.ForeignKey(
        "segments.Tier", null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("tier")
    )
    content = models.ForeignKey(
        "campaigns.Content", null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("content")
    )
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PLANNED)
    reason = models.CharField(_("reason"), max_length=20, choices=Reason, blank=True)
    detail = models.CharField(_("detail"), max_length=500, blank=True)
    address = models.CharField(_("address"), max_length=400, blank=True)
    token = models.UUIDField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    not_before = models.DateTimeField(_("not before"))
    planned_at = models.DateTimeField(_("planned"))
    settled_at = models.DateTimeField(_("settled"), null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [
            models.UniqueConstraint(fields=["campaign", "step", "profile", "occurrence"], name="delivery_once"),
        ]
        indexes = [
            models.Index(
                fields=["campaign", "not_before", "id"], name="delivery_due", condition=models.Q(state="planned")
            ),
            models.Index(
                fields=["leased_until"], name="delivery_leased", condition=models.Q(state__in=["claimed", "sending"])
            ),
            models.Index(fields=["campaign", "state"], name="delivery_campaign_state"),
            models.Index(
                fields=["campaign", "address"], name="delivery_campaign_address", condition=~models.Q(address="")
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class Attempt(models.Model):
    """One try to hand a delivery over, kept whatever came of it; no outcome: it is still under way."""

    class Outcome(models.TextChoices):
        SENT = "sent", _("Sent")
        REFUSED = "refused", _("Refused")
        DEFERRED = "deferred", _("Deferred")
        UNKNOWN = "unknown", _("Unknown")

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts")
    token = models.UUIDField()
    started_at = models.DateTimeField(_("started"))
    ended_at = models.DateTimeField(_("ended"), null=True)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome, blank=True)
    detail = models.CharField(_("detail"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        constraints = [models.UniqueConstraint(fields=["delivery", "token"], name="attempt_delivery_token")]

    def __str__(self) -> str:
        return f"{self.delivery_id} {self.outcome}"
