"""A tag for many people at once."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from cdp.json_field import JsonField
from tags.models.tag import Tag, TagValue


class BulkTagging(models.Model):
    """That a tag be put on, or taken off, the people who were chosen when it was asked for. The run does it.

    It outlives its value, which `value_key` and `value_name` then name as it was called when it was asked for.
    """

    class Action(models.TextChoices):
        ASSIGN = "assign", _("Assign")
        REMOVE = "remove", _("Remove")

    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="bulk_taggings", verbose_name=_("tag"))
    run = models.OneToOneField("cdp.Run", on_delete=models.CASCADE, related_name="+", verbose_name=_("run"))
    undo_run = models.OneToOneField(
        "cdp.Run", null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("taking back")
    )
    action = models.CharField(_("action"), max_length=6, choices=Action)
    value = models.ForeignKey(TagValue, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("value"))
    value_key = models.CharField(max_length=50, blank=True, default="", db_default="", editable=False)
    value_name = models.CharField(max_length=100, blank=True, default="", db_default="", editable=False)
    expires_at = models.DateTimeField(_("expires"), null=True)
    chosen_by = models.CharField(_("chosen by"), max_length=200)
    profile_ids = ArrayField(models.BigIntegerField(), verbose_name=_("people"))
    unknown = JsonField(_("unknown"), default=list, help_text=_("Those who were named and are nobody."))

    class Meta:
        verbose_name = _("bulk tagging")
        verbose_name_plural = _("bulk taggings")

    def __str__(self) -> str:
        return f"{self.tag_id} {self.run_id}"

    @property
    def n_changed(self) -> int:
        """Whom the run has changed so far."""
        counts = self.run.counts
        return int(counts.get("removed", counts.get("tagged", 0)))  # of earlier removals it was "tagged" too

    @property
    def is_value_gone(self) -> bool:
        """Whether it was about a value that was deleted since; without a value it means the tag, whatever the value."""
        return bool(self.value_key) and self.value_id is None


class TaggedBefore(models.Model):
    """What somebody carried before a bulk tagging made it another, so that it can be taken back.

    `last_change` is the last one of the feed then: whoever's tag changed after it, by another hand, is left alone. The
    profile is no foreign key: whoever was merged meanwhile is left alone too.
    """

    bulk = models.ForeignKey(BulkTagging, on_delete=models.CASCADE, related_name="before", db_index=False)
    profile_id = models.BigIntegerField()
    is_carried = models.BooleanField()
    value = models.ForeignKey(TagValue, null=True, on_delete=models.CASCADE, related_name="+")
    expires_at = models.DateTimeField(null=True)
    last_change = models.BigIntegerField()

    class Meta:
        verbose_name = _("what was carried before")
        verbose_name_plural = _("what was carried before")
        constraints = [models.UniqueConstraint(fields=["bulk", "profile_id"], name="tagged_before_bulk_profile")]

    def __str__(self) -> str:
        return f"{self.bulk_id} {self.profile_id}"
