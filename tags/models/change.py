"""Who carried which value, from when to when."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from cdp.rules.causes import Cause
from tags.models.tag import Tag


class TagChange(models.Model):
    """One change of what a profile carries. `id` is commit order: rows are written last, under the feed's lock.

    `before` and `after` are keys of values, since history outlives a value that is removed; empty where the tag has
    none. None is: not carried. `by` is whose hand or import it was, `rule_version` the version of the rule that was
    judged by, `run_id` the run that wrote it for many people, and can take it back.
    """

    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="changes", db_index=False)
    profile = models.ForeignKey(
        "profiles.Profile", on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    before = models.CharField(_("value before"), max_length=50, null=True)  # noqa: DJ001 - null: not carried
    after = models.CharField(_("value after"), max_length=50, null=True)  # noqa: DJ001
    cause = models.CharField(_("cause"), max_length=10, choices=Cause)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        verbose_name=_("by"),
    )
    rule_version = models.PositiveIntegerField(_("rule version"), null=True)
    run_id = models.IntegerField(null=True)
    at = models.DateTimeField(_("time"))

    class Meta:
        verbose_name = _("tag change")
        verbose_name_plural = _("tag changes")
        indexes = [
            models.Index(fields=["tag", "id"], name="tag_change_tag"),
            models.Index(fields=["profile", "id"], name="tag_change_profile"),
            models.Index(fields=["run_id", "id"], name="tag_change_run", condition=models.Q(run_id__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.tag_id} {self.profile_id}"
