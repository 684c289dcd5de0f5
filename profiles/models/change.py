"""The queue from which segments, tags and tiers follow the data, and the feed of who is whom."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Lane(models.IntegerChoices):
    """Which change is judged first."""

    LIVE = 0, _("Live")
    CLOCK = 1, _("Clock")
    REBUILD = 2, _("Rebuild")


class ProfileChange(models.Model):
    """Something about a profile changed, in one topic: `attribute:city`, `event:Order Completed`, `tag:vip`, `merge`.

    Append-only: an upsert against a row that is being consumed would lose the change.
    """

    profile_id = models.BigIntegerField()
    topic = models.CharField(max_length=260)
    lane = models.SmallIntegerField(choices=Lane, default=Lane.LIVE)
    due_at = models.DateTimeField()
    queued_at = models.DateTimeField(db_default=Now())  # of long work later than `due_at`, which is when it began
    holder = models.CharField(
        max_length=120, blank=True, default="", help_text=_("Put back for this holder alone, which was being rebuilt.")
    )

    class Meta:
        verbose_name = _("profile change")
        verbose_name_plural = _("profile changes")
        indexes = [
            models.Index(fields=["lane", "id"], name="change_lane_id"),
            # Whoever is judged asks whether they were merged or split.
            models.Index(
                fields=["profile_id"], name="change_of_identity", condition=models.Q(topic__in=["merge", "split"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.profile_id} {self.topic}"


class IdentityChange(models.Model):
    """A profile merged into another, split, so that a part of it went into another, or was erased.

    `id` is commit order: rows are written last, under the feed's lock. Profiles are named by their public ids, which
    outlive them.
    """

    class Change(models.TextChoices):
        MERGED = "merged", _("Merged")
        SPLIT = "split", _("Split")
        ERASED = "erased", _("Erased")

    profile = models.UUIDField(_("profile id"))
    change = models.CharField(_("change"), max_length=6, choices=Change)
    into = models.UUIDField(_("into"), null=True, blank=True)
    at = models.DateTimeField(_("time"))

    class Meta:
        verbose_name = _("identity change")
        verbose_name_plural = _("identity changes")

    def __str__(self) -> str:
        return f"{self.profile} {self.change}"
