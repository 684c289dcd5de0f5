"""Addresses that are not written to, whoever they belong to."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from profiles.identity.normalise import spell
from profiles.models import IdentifierKind
from profiles.models.source import DEFAULT_REGION


class SuppressionQuerySet(models.QuerySet["Suppression"]):
    def of_addresses(self, addresses: Iterable[str], *, kind: str, channel: str) -> dict[str, str]:
        """The reason for each of the addresses (identifiers of `kind`) that must not get anything of `channel`."""
        found = self.filter(kind__key=kind, value__in=set(addresses), channel__in=["", channel])
        return dict(found.order_by("-channel", "pk").values_list("value", "reason"))

    def written_as(self, written: str) -> Self:
        """Those of an address as somebody writes it, which may be one of several kinds."""
        kinds = IdentifierKind.objects.all()
        spelt = {kind.pk: spell(kind.normaliser, written, DEFAULT_REGION) for kind in kinds if "\0" not in written}
        asked = [models.Q(kind=kind, value=value) for kind, value in spelt.items() if value is not None]
        return self.filter(reduce(or_, asked)) if asked else self.none()


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
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("by"),
        help_text=_("Who wrote it by hand or over the API; empty where a file did."),
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
