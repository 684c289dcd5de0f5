"""A segment by hand for many people at once."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from cdp.json_field import JsonField
from segments.models.segment import Segment


class BulkJoining(models.Model):
    """That the people who were chosen when it was asked for be put into a segment by hand. The run does it.

    `moments` are since when those are in whom it put in, one for each chunk of them.
    """

    segment = models.ForeignKey(
        Segment, on_delete=models.CASCADE, related_name="bulk_joinings", verbose_name=_("segment")
    )
    run = models.OneToOneField("cdp.Run", on_delete=models.CASCADE, related_name="+", verbose_name=_("run"))
    undo_run = models.OneToOneField(
        "cdp.Run", null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("taking back")
    )
    moments = ArrayField(models.DateTimeField(), default=list, db_default=[], editable=False)
    chosen_by = models.CharField(_("chosen by"), max_length=200)
    profile_ids = ArrayField(models.BigIntegerField(), verbose_name=_("people"))
    unknown = JsonField(
        _("unknown"),
        default=list,
        db_default=models.Value([], output_field=JsonField()),
        help_text=_("Those who were named and are nobody."),
    )

    class Meta:
        verbose_name = _("bulk joining")
        verbose_name_plural = _("bulk joinings")

    def __str__(self) -> str:
        return f"{self.segment_id} {self.run_id}"
