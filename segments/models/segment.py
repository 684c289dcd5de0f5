"""A set of profiles, and who came and went."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from cdp.rules.causes import Cause
from cdp.rules.field import RuleField


class Segment(models.Model):
    """A set of profiles that a rule decides. A PATCH must name the `rule_version` that it edits."""

    class Kind(models.TextChoices):
        DYNAMIC = "dynamic", _("Dynamic")

    key = models.SlugField(_("key"), max_length=50, unique=True)
    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind, default=Kind.DYNAMIC)
    description = models.TextField(_("description"), blank=True)
    rule = RuleField(_("rule"))
    rule_version = models.PositiveIntegerField(_("rule version"), default=1, editable=False)
    n_members = models.PositiveIntegerField(_("members"), default=0, editable=False)
    refreshed_at = models.DateTimeField(_("last full refresh"), null=True, editable=False)
    refresh_error = models.TextField(_("refresh error"), blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        ordering = ["key"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A profile is in a segment since `entered_at`, the moment of the evaluation that noticed it."""

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="memberships", db_index=False)
    profile = models.ForeignKey("profiles.Profile", on_delete=models.CASCADE, related_name="memberships")
    entered_at = models.DateTimeField(_("entered"))

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [models.UniqueConstraint(fields=["segment", "profile"], name="membership_segment_profile")]

    def __str__(self) -> str:
        return f"{self.segment_id} {self.profile_id}"


class MembershipChange(models.Model):
    """One entry or exit. `id` is commit order: rows are written last, under the feed's lock."""

    class Change(models.TextChoices):
        ENTERED = "entered", _("Entered")
        LEFT = "left", _("Left")

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="changes", db_index=False)
    profile = models.ForeignKey(
        "profiles.Profile", on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    change = models.CharField(_("change"), max_length=7, choices=Change)
    cause = models.CharField(_("cause"), max_length=10, choices=Cause)
    at = models.DateTimeField(_("time"))

    class Meta:
        verbose_name = _("membership change")
        verbose_name_plural = _("membership changes")
        indexes = [
            models.Index(fields=["segment", "id"], name="membership_change_segment"),
            models.Index(fields=["profile", "id"], name="membership_change_profile"),
        ]

    def __str__(self) -> str:
        return f"{self.segment_id} {self.profile_id} {self.change}"


class FormerMembership(models.Model):
    """Since when a profile was in a segment, as it went into a merge; with this it comes back when that is undone."""

    merge = models.ForeignKey("profiles.ProfileMerge", on_delete=models.CASCADE, related_name="+")
    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="+")
    profile = models.ForeignKey("profiles.Profile", on_delete=models.CASCADE, related_name="+")
    entered_at = models.DateTimeField(_("entered"))

    class Meta:
        verbose_name = _("former membership")
        verbose_name_plural = _("former memberships")
        constraints = [models.UniqueConstraint(fields=["merge", "segment", "profile"], name="former_membership_merge")]

    def __str__(self) -> str:
        return f"{self.segment_id} {self.profile_id}"
