"""Ordered, exclusive ranks of profiles."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from cdp.rules.causes import Cause
from cdp.rules.field import RuleField


class TierScheme(models.Model):
    """A ladder of tiers. A profile stands in the highest tier whose entry rule holds."""

    key = models.SlugField(_("key"), max_length=50, unique=True)
    name = models.CharField(_("name"), max_length=100)
    description = models.TextField(_("description"), blank=True)
    rule_version = models.PositiveIntegerField(_("rule version"), default=1, editable=False)
    refreshed_at = models.DateTimeField(_("last full refresh"), null=True, editable=False)
    refresh_error = models.TextField(_("refresh error"), blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("tier scheme")
        verbose_name_plural = _("tier schemes")
        ordering = ["key"]

    def __str__(self) -> str:
        return self.name


class Tier(models.Model):
    """One rank of a scheme; position 0 is the highest. The lowest needs no entry rule: it takes everybody left."""

    scheme = models.ForeignKey(TierScheme, on_delete=models.CASCADE, related_name="tiers", verbose_name=_("scheme"))
    key = models.SlugField(_("key"), max_length=50)
    name = models.CharField(_("name"), max_length=100)
    position = models.PositiveSmallIntegerField(_("position"), help_text=_("0 is the highest tier."))
    entry = RuleField(_("entry rule"), null=True, blank=True)
    benefits = models.TextField(_("benefits"), blank=True)

    class Meta:
        verbose_name = _("tier")
        verbose_name_plural = _("tiers")
        ordering = ["scheme", "position"]
        constraints = [
            models.UniqueConstraint(fields=["scheme", "key"], name="tier_scheme_key"),
            models.UniqueConstraint(
                fields=["scheme", "position"],
                name="tier_scheme_position",
                deferrable=models.Deferrable.DEFERRED,
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TierStanding(models.Model):
    """A profile stands in one tier of a scheme since `entered_at`."""

    scheme = models.ForeignKey(TierScheme, on_delete=models.CASCADE, related_name="standings", db_index=False)
    tier = models.ForeignKey(Tier, on_delete=models.CASCADE, related_name="standings", db_index=False)
    profile = models.ForeignKey("profiles.Profile", on_delete=models.CASCADE, related_name="standings")
    entered_at = models.DateTimeField(_("entered"))

    class Meta:
        verbose_name = _("tier standing")
        verbose_name_plural = _("tier standings")
        constraints = [models.UniqueConstraint(fields=["scheme", "profile"], name="standing_scheme_profile")]
        indexes = [models.Index(fields=["tier", "profile"], name="standing_tier")]

    def __str__(self) -> str:
        return f"{self.tier_id} {self.profile_id}"


class TierChange(models.Model):
    """One move between tiers, by their keys: history outlives a tier that is removed from its scheme.

    No `before` is the first standing, no `after` the last (merged away).
    """

    scheme = models.ForeignKey(TierScheme, on_delete=models.CASCADE, related_name="changes", db_index=False)
    profile = models.ForeignKey(
        "profiles.Profile", on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    before = models.SlugField(_("tier before"), max_length=50, null=True, db_index=False)  # noqa: DJ001 - null: none
    after = models.SlugField(_("tier after"), max_length=50, null=True, db_index=False)  # noqa: DJ001
    cause = models.CharField(_("cause"), max_length=10, choices=Cause)
    at = models.DateTimeField(_("time"))

    class Meta:
        verbose_name = _("tier change")
        verbose_name_plural = _("tier changes")
        indexes = [
            models.Index(fields=["scheme", "id"], name="tier_change_scheme"),
            models.Index(fields=["profile", "id"], name="tier_change_profile"),
        ]

    def __str__(self) -> str:
        return f"{self.scheme_id} {self.profile_id}"


class FormerStanding(models.Model):
    """Where a profile stood as it was absorbed by a merge; there it stands again when that is undone."""

    merge = models.ForeignKey("profiles.ProfileMerge", on_delete=models.CASCADE, related_name="+")
    scheme = models.ForeignKey(TierScheme, on_delete=models.CASCADE, related_name="+")
    tier = models.ForeignKey(Tier, on_delete=models.CASCADE, related_name="+")
    profile = models.ForeignKey("profiles.Profile", on_delete=models.CASCADE, related_name="+")
    entered_at = models.DateTimeField(_("entered"))

    class Meta:
        verbose_name = _("former standing")
        verbose_name_plural = _("former standings")
        constraints = [models.UniqueConstraint(fields=["merge", "scheme"], name="former_standing_merge")]

    def __str__(self) -> str:
        return f"{self.tier_id} {self.profile_id}"
