"""How segments grow: their days, and what was alarming of them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from cdp.by_day import Counted, Day
from segments.models.segment import Segment


class SegmentDay(Day):
    """Entries and exits of a segment on one business day."""

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="days", db_index=False)

    class Meta:
        verbose_name = _("day of a segment")
        verbose_name_plural = _("days of segments")
        constraints = [models.UniqueConstraint(fields=["segment", "day"], name="segment_day")]

    def __str__(self) -> str:
        return f"{self.segment_id} {self.day}"


class CountedFeed(Counted):
    """How far the feed of memberships was counted."""

    class Meta:
        verbose_name = _("counted feed")
        verbose_name_plural = _("counted feeds")


class SizeAlert(models.Model):
    """The size of a segment changed within a business day by more than its `alert_percent`.

    `after` follows the day to its end. It is open until somebody has seen it, or until the size is back within the
    share of what it was `before`: `cleared_at`.
    """

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="size_alerts", db_index=False)
    day = models.DateField(_("day"))
    before = models.IntegerField(_("size before"), help_text=_("At the start of the day."))
    after = models.IntegerField(_("size after"))
    mailed_at = models.DateTimeField(null=True, editable=False)
    cleared_at = models.DateTimeField(_("back to normal"), null=True, editable=False)
    seen_at = models.DateTimeField(_("seen"), null=True, editable=False)
    seen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        editable=False,
        verbose_name=_("seen by"),
    )

    class Meta:
        verbose_name = _("alert of a size")
        verbose_name_plural = _("alerts of sizes")
        constraints = [models.UniqueConstraint(fields=["segment", "day"], name="size_alert_day")]

    def __str__(self) -> str:
        return f"{self.segment_id} {self.day}"

    @property
    def is_open(self) -> bool:
        return self.cleared_at is None and self.seen_at is None

    @property
    def change(self) -> str:
        """By how much, in percent, with its sign."""
        percent = round((self.after - self.before) * 100 / self.before)
        return f"{'−' if percent < 0 else '+'}{abs(percent):,}%"
