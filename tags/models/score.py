"""Numbers that a model computes of a profile."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from cdp.json_field import JsonField


class Score(models.Model):
    """What one scoring model says of one profile; `values` has the fields that the model declares."""

    profile = models.ForeignKey(
        "profiles.Profile", on_delete=models.CASCADE, related_name="scores", verbose_name=_("profile")
    )
    model = models.SlugField(_("model"), max_length=50)
    values = JsonField(_("values"))
    scored_at = models.DateTimeField(_("scored"))

    class Meta:
        verbose_name = _("score")
        verbose_name_plural = _("scores")
        constraints = [models.UniqueConstraint(fields=["profile", "model"], name="score_profile_model")]
        indexes = [models.Index(fields=["model", "profile"], name="score_model")]

    def __str__(self) -> str:
        return f"{self.model} {self.profile_id}"
