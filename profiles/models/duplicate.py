"""Two profiles that may be one person."""

from __future__ import annotations

from collections.abc import Collection
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from cdp.json_field import JsonField
from profiles.models.profile import Profile


class DuplicateSuggestionQuerySet(models.QuerySet["DuplicateSuggestion"]):
    def open(self) -> Self:
        return self.filter(state=DuplicateSuggestion.State.OPEN)

    def rejected(self) -> Self:
        return self.filter(state=DuplicateSuggestion.State.REJECTED)

    def between(self, people: Collection[int]) -> Self:
        """Those that speak of any two of these people, by id, also by profiles that merged into theirs."""
        theirs = Profile.objects.filter(models.Q(pk__in=people) | models.Q(merged_into__in=people)).values("pk")
        two = self.alias(one=Coalesce("left__merged_into", "left"), other=Coalesce("right__merged_into", "right"))
        return two.filter(~models.Q(one=models.F("other")), left__in=theirs, right__in=theirs)

    def locked(self) -> list[int]:
        """Their ids. Locked in the order of id, as the search does that writes many: nobody waits in a circle."""
        return list(self.order_by("pk").select_for_update().values_list("pk", flat=True))

    def with_people(self) -> Self:
        """Load what `people` wants."""
        return self.select_related("left__merged_into", "right__merged_into")

    def after(self, one: DuplicateSuggestion) -> Self:
        """Those that come after one in the order of review: the less probable, of equals the older."""
        less = models.Q(probability__lt=one.probability)
        return self.filter(less | models.Q(probability=one.probability, pk__lt=one.pk))


class DuplicateSuggestion(models.Model):
    """A pair that a search found probable; `left` < `right` by id, as they were found: a merge does not move them.

    `evidence` is a list of `{"field", "level", "weight"}`, the words of which are in
    `profiles/services/duplicates/words.py`; it holds no value of theirs. What was rejected, or accepted and undone, is
    not suggested again, for the two people that the profiles have become either.
    """

    class State(models.TextChoices):
        OPEN = "open", _("To review")
        ACCEPTED = "accepted", _("Accepted")
        REJECTED = "rejected", _("Rejected")
        OUTDATED = "outdated", _("Outdated")

    left = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="+", db_index=False)
    right = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="+")
    probability = models.FloatField(_("probability"))
    evidence = JsonField(_("evidence"), default=list)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.OPEN)
    run = models.ForeignKey(
        "cdp.Run", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("found by")
    )
    suggested_at = models.DateTimeField(_("suggested"))
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("decided by"),
    )

    objects = DuplicateSuggestionQuerySet.as_manager()

    class Meta:
        verbose_name = _("possible duplicate")
        verbose_name_plural = _("possible duplicates")
        constraints = [
            models.UniqueConstraint(fields=["left", "right"], name="duplicate_left_right"),
            models.CheckConstraint(condition=models.Q(left__lt=models.F("right")), name="duplicate_left_before_right"),
            models.CheckConstraint(
                condition=models.Q(probability__gte=0, probability__lte=1), name="duplicate_probability"
            ),
        ]
        indexes = [models.Index(fields=["state", "-probability", "-id"], name="duplicate_to_review")]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def people(self) -> tuple[Profile, Profile]:
        """Who the two profiles are by now; one person twice once they are merged."""
        left, right = self.left.merged_into or self.left, self.right.merged_into or self.right
        return left, right
