"""How segments grow: their days, and what was alarming of them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from segments.models.segment import Segment


class SegmentDay(models.Model):
    """Entries and exits of a segment on one business day; days without any have no row. Added up, they are its size."""

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="days", db_index=False)
    day = models.DateField(_("day"))
    n_entered = models.IntegerField(_("entered"), default=0)
    n_left = models.IntegerField(_("left"), default=0)

    class Meta:
        verbose_name = _("day of a segment")
        verbose_name_plural = _("days of segments")
        constraints = [models.UniqueConstraint(fields=["segment", "day"], name="segment_day")]

    def __str__(self) -> str:
        return f"{self.segment_id} {self.day}"


class CountedFeed(models.Model):
    """How far the feed of memberships was counted into days: one row, with the id of the last change."""

    last_change = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("counted feed")
        verbose_name_plural = _("counted feeds")

    def __str__(self) -> str:
        return str(self.last_change)


class SizeAlert(models.Model):
    """The size of a segment changed within a business day by more than its `alert_percent`."""

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="size_alerts", db_index=False)
    day = models.DateField(_("day"))
    before = models.IntegerField(_("size before"), help_text=_("At the start of the day."))
    after = models.IntegerField(_("size after"))
    mailed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("alert of a size")
        verbose_name_plural = _("alerts of sizes")
        constraints = [models.UniqueConstraint(fields=["segment", "day"], name="size_alert_day")]

    def __str__(self) -> str:
        return f"{self.segment_id} {self.day}"
