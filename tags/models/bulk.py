"""A tag for many people at once."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from tags.models.tag import Tag, TagValue


class BulkTagging(models.Model):
    """That a tag be put on, or taken off, the people who were chosen when it was asked for. The run does it."""

    class Action(models.TextChoices):
        ASSIGN = "assign", _("Assign")
        REMOVE = "remove", _("Remove")

    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="bulk_taggings", verbose_name=_("tag"))
    run = models.OneToOneField("cdp.Run", on_delete=models.CASCADE, related_name="+", verbose_name=_("run"))
    undo_run = models.OneToOneField(
        "cdp.Run", null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("taking back")
    )
    action = models.CharField(_("action"), max_length=6, choices=Action)
    value = models.ForeignKey(TagValue, null=True, on_delete=models.CASCADE, related_name="+", verbose_name=_("value"))
    expires_at = models.DateTimeField(_("expires"), null=True)
    chosen_by = models.CharField(_("chosen by"), max_length=200)
    profile_ids = ArrayField(models.BigIntegerField(), verbose_name=_("people"))

    class Meta:
        verbose_name = _("bulk tagging")
        verbose_name_plural = _("bulk taggings")

    def __str__(self) -> str:
        return f"{self.tag_id} {self.run_id}"
