"""What was taken apart, and what stays so."""

from __future__ import annotations

from collections.abc import Collection
from typing import Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class ProfileSplit(models.Model):
    """Identifiers of one profile went into another: a new one, or the one that lives again as its merge is undone.

    `identifiers` are the ids of those that went.
    """

    from_profile = models.ForeignKey(
        "profiles.Profile", on_delete=models.CASCADE, related_name="splits", verbose_name=_("taken apart")
    )
    to_profile = models.ForeignKey(
        "profiles.Profile", on_delete=models.CASCADE, related_name="+", verbose_name=_("split off")
    )
    merge = models.ForeignKey(
        "profiles.ProfileMerge",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="splits",
        verbose_name=_("merge that was undone"),
    )
    identifiers = ArrayField(models.BigIntegerField(), verbose_name=_("identifiers"))
    split_at = models.DateTimeField(_("split"))
    split_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("split by"),
    )

    class Meta:
        verbose_name = _("profile split")
        verbose_name_plural = _("profile splits")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{str(self.from_profile.public_id)[:8]} ⇥ {str(self.to_profile.public_id)[:8]}"


class SeparationQuerySet(models.QuerySet["Separation"]):
    def in_force(self) -> Self:
        return self.filter(lifted_at__isnull=True)

    def naming(self, identifier_ids: Collection[int]) -> Self:
        """Those of one of these identifiers, whichever side it is; by the indexes of both."""
        return self.filter(models.Q(left__in=identifier_ids) | models.Q(right__in=identifier_ids))


class Separation(models.Model):
    """Two identifiers that nothing may bring into one profile, until somebody lifts it; `left` < `right` by id."""

    left = models.ForeignKey("profiles.Identifier", on_delete=models.CASCADE, related_name="+", verbose_name=_("one"))
    right = models.ForeignKey(
        "profiles.Identifier", on_delete=models.CASCADE, related_name="+", verbose_name=_("the other")
    )
    split = models.ForeignKey(
        ProfileSplit, on_delete=models.CASCADE, related_name="separations", verbose_name=_("profile split")
    )
    separated_at = models.DateTimeField(_("separated"))
    lifted_at = models.DateTimeField(_("lifted"), null=True, blank=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("lifted by"),
    )

    objects = SeparationQuerySet.as_manager()

    class Meta:
        verbose_name = _("separation")
        verbose_name_plural = _("separations")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["left", "right"], condition=models.Q(lifted_at__isnull=True), name="separation_in_force"
            ),
            models.CheckConstraint(condition=models.Q(left__lt=models.F("right")), name="separation_left_before_right"),
        ]

    def __str__(self) -> str:
        return f"{self.left_id} ≠ {self.right_id}"
