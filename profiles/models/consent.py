"""Whether a person may be written to."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

MAX_NOTE = 500


class ConsentQuerySet(models.QuerySet["Consent"]):
    def in_force(self) -> Self:
        """The latest word of each profile and channel; of two at the same time, the stricter (it sorts first)."""
        return self.order_by("profile_id", "channel", "-occurred_at", "state", "-id").distinct("profile_id", "channel")


class Consent(models.Model):
    """A person's word on one channel. Rows are history, of which none is changed; the latest of a profile and channel
    is in force.

    `origin` is the profile it was written on, before any merge. A source's message told the word; or somebody wrote it
    down by hand, who is its `user`, at `recorded_at`, with a `note` of where it is from; or it was decided when two
    turned out to be one (`profiles/identity/consents.py`), and has neither. Where the clock of who told it by hand was
    ahead of ours, the time that they told is its `message_id`, by which it counts once.

    When people are taken apart, a word by message goes with `anchor`, the identifier on which its message hung, and one
    by hand with its origin. One that was decided between two stored profiles names their `merge`, and goes when that is
    undone.
    """

    class State(models.TextChoices):
        GRANTED = "granted", _("Granted")
        DENIED = "denied", _("Denied")

    profile = models.ForeignKey("profiles.Profile", on_delete=models.CASCADE, related_name="consents")
    origin = models.ForeignKey("profiles.Profile", on_delete=models.CASCADE, related_name="+")
    anchor = models.ForeignKey(
        "profiles.Identifier",
        null=True,
        editable=False,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    merge = models.ForeignKey(
        "profiles.ProfileMerge",
        null=True,
        editable=False,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    channel = models.SlugField(_("channel"), max_length=50)
    state = models.CharField(_("state"), max_length=7, choices=State)
    source = models.ForeignKey("profiles.Source", null=True, on_delete=models.PROTECT, related_name="+")
    occurred_at = models.DateTimeField(_("time"))
    message_id = models.CharField(max_length=200, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        verbose_name=_("written down by"),
    )
    recorded_at = models.DateTimeField(_("written down"), null=True, blank=True)
    note = models.CharField(_("note"), max_length=MAX_NOTE, blank=True, db_default="")

    objects = ConsentQuerySet.as_manager()

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        indexes = [models.Index(fields=["profile", "channel", "-occurred_at", "-id"], name="consent_in_force")]

    def __str__(self) -> str:
        return f"{self.channel} {self.state}"
