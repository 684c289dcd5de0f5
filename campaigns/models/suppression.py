"""Addresses that are not written to, whoever they belong to."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import models
from django.utils.translation import gettext_lazy as _


class SuppressionQuerySet(models.QuerySet["Suppression"]):
    def of_addresses(self, addresses: Iterable[str], *, kind: str, channel: str) -> dict[str, str]:
        """The reason for each of the addresses (identifiers of `kind`) that must not get anything of `channel`."""
        found = self.filter(kind__key=kind, value__in=set(addresses), channel__in=["", channel])
        return dict(found.order_by("-channel", "pk").values_list("value", "reason"))


class Suppression(models.Model):
    """One address that is not written to on a channel, or, where `channel` is empty, on none.

    `value` is an identifier of `kind` as it is normalised; it need not belong to anybody yet.
    """

    kind = models.ForeignKey(
        "profiles.IdentifierKind", on_delete=models.PROTECT, related_name="+", verbose_name=_("kind")
    )
    value = models.CharField(_("address"), max_length=400)
    channel = models.SlugField(_("channel"), max_length=50, blank=True, help_text=_("Empty: every channel."))
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    source = models.ForeignKey(
        "profiles.Source", null=True, blank=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("source")
    )
    created_at = models.DateTimeField(_("created"))
    import_id = models.IntegerField(
        null=True, editable=False, help_text=_("The import that wrote it, while nothing else has.")
    )

    objects = SuppressionQuerySet.as_manager()

    class Meta:
        verbose_name = _("suppression")
        verbose_name_plural = _("suppressions")
        constraints = [models.UniqueConstraint(fields=["kind", "value", "channel"], name="suppression_address")]
        indexes = [
            models.Index(fields=["import_id"], name="suppression_import", condition=models.Q(import_id__isnull=False))
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"
