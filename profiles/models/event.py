"""What people did."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from cdp.json_field import JsonField


class Event(models.Model):
    """Something a profile did. Append-only, partitioned by year of `occurred_at` (profiles/ingest/partitions.py).

    The table's key is (id, occurred_at); Django knows `id`. No foreign key is enforced by the database: checking them
    cost two thirds of the COPY. `message_id` is that of an identify message, by which ties are broken when its traits
    are folded again; of others it is NULL.
    """

    id = models.BigAutoField(primary_key=True)
    occurred_at = models.DateTimeField(_("time"))
    definition = models.ForeignKey(
        "profiles.EventDefinition",
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("event"),
    )
    profile = models.ForeignKey(
        "profiles.Profile",
        on_delete=models.DO_NOTHING,
        related_name="events",
        db_constraint=False,
        db_index=False,
        verbose_name=_("profile"),
    )
    anchor = models.ForeignKey(
        "profiles.Identifier",
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("anchor"),
    )
    source = models.ForeignKey(
        "profiles.Source",
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("source"),
    )
    value = models.FloatField(_("value"), null=True, help_text=_("The promoted number, with its definition's sign."))
    properties = JsonField(_("properties"), default=dict)
    import_id = models.IntegerField(null=True, editable=False, help_text=_("The import that brought it, if one did."))
    message_id = models.CharField(max_length=200, null=True)  # noqa: DJ001 - NULL costs no byte of a row

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        managed = False  # 0002_event_partitions makes the partitioned table
        db_table = "profiles_event"

    def __str__(self) -> str:
        return f"{self.definition_id} {self.occurred_at:%Y-%m-%d %H:%M}"
