"""A set of profiles, and who came and went."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from cdp.rules.causes import Cause
from cdp.rules.field import RuleField


class SegmentQuerySet(models.QuerySet["Segment"]):
    def current(self) -> Self:
        """Those in use: not archived."""
        return self.filter(archived_at__isnull=True)


class Segment(models.Model):
    """A set of profiles that a rule decides, or hands and imports, or that was frozen at a moment.

    A PATCH must name the `rule_version` it edits. Of a snapshot `rule` says whom it was frozen from, and `refreshed_at`
    when. One that is archived is not refreshed, and stays readable.
    """

    class Kind(models.TextChoices):
        DYNAMIC = "dynamic", _("By rule")
        STATIC = "static", _("By hand")
        SNAPSHOT = "snapshot", _("Snapshot")

    key = models.SlugField(_("key"), max_length=50, unique=True)
    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind, default=Kind.DYNAMIC)
    category = models.CharField(_("category"), max_length=50, blank=True, default="", db_default="")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("owner"),
        help_text=_("Whom colleagues ask about it."),
    )
    description = models.TextField(
        _("description"), blank=True, help_text=_("What it is for, and what colleagues should know.")
    )
    alert_percent = models.PositiveSmallIntegerField(
        _("alert at a change of, in percent"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("When its size changes within a day by more than this share, its page and the dashboard say so."),
    )
    rule = RuleField(_("rule"), null=True, blank=True)
    rule_version = models.PositiveIntegerField(_("rule version"), default=1, editable=False)
    n_members = models.PositiveIntegerField(_("members"), default=0, editable=False)
    refreshed_at = models.DateTimeField(_("last full refresh"), null=True, editable=False)
    refresh_error = models.TextField(_("refresh error"), blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    archived_at = models.DateTimeField(_("archived"), null=True, editable=False)

    objects = SegmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        ordering = ["key"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=["dynamic", "snapshot"], rule__isnull=False)
                | models.Q(kind="static", rule__isnull=True),
                name="segment_rule_of_kind",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A profile is in a segment since `entered_at`, the moment of the evaluation that noticed it, or of the hand.

    `origin` is the profile it was written on by hand, before any merge; None: the rule put it in.
    """

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="memberships", db_index=False)
    profile = models.ForeignKey("profiles.Profile", on_delete=models.CASCADE, related_name="memberships")
    origin = models.ForeignKey(
        "profiles.Profile", null=True, on_delete=models.CASCADE, related_name="+", editable=False, db_index=False
    )
    entered_at = models.DateTimeField(_("entered"))
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        editable=False,
        verbose_name=_("added by"),
    )
    import_id = models.IntegerField(
        null=True, editable=False, help_text=_("The import that brought it, while nothing else has.")
    )

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [models.UniqueConstraint(fields=["segment", "profile"], name="membership_segment_profile")]
        indexes = [
            models.Index(fields=["segment", "entered_at"], name="membership_entered"),
            models.Index(fields=["origin"], name="membership_origin", condition=models.Q(origin__isnull=False)),
            models.Index(fields=["import_id"], name="membership_import", condition=models.Q(import_id__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.segment_id} {self.profile_id}"


class DisplacedMembership(models.Model):
    """A membership by hand that gave way, as profiles merged, to the earlier one in the same segment.

    It comes back when its person is taken apart, unless somebody took the person out meanwhile. `profile` is who the
    person is now, `origin` the profile it was written on.
    """

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="+")
    profile = models.ForeignKey("profiles.Profile", on_delete=models.CASCADE, related_name="+")
    origin = models.ForeignKey("profiles.Profile", on_delete=models.CASCADE, related_name="+")
    entered_at = models.DateTimeField(_("entered"))
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    import_id = models.IntegerField(null=True)

    class Meta:
        verbose_name = _("displaced membership")
        verbose_name_plural = _("displaced memberships")
        indexes = [
            models.Index(
                fields=["import_id"], name="displaced_member_import", condition=models.Q(import_id__isnull=False)
            )
        ]

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
            models.Index(fields=["segment", "profile", "-id"], name="membership_change_as_of"),
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
