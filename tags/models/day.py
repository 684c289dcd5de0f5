"""How tags and their values grow."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from cdp.by_day import Counted, Day
from tags.models.tag import Tag


class TagDay(Day):
    """Who got a tag, or one of its values, on one business day, and who lost it.

    `value` is the key of a value, since history outlives a value that is removed; "" is the tag as a whole, which a
    change from one value to another leaves as it is.
    """

    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="days", db_index=False)
    value = models.CharField(_("value"), max_length=50, blank=True)

    class Meta:
        verbose_name = _("day of a tag")
        verbose_name_plural = _("days of tags")
        constraints = [models.UniqueConstraint(fields=["tag", "value", "day"], name="tag_day")]

    def __str__(self) -> str:
        return f"{self.tag_id} {self.day}"


class CountedTags(Counted):
    """How far the feed of tags was counted."""

    class Meta:
        verbose_name = _("counted feed")
        verbose_name_plural = _("counted feeds")
