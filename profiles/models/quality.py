"""How good the data is: counters that each batch adds to, so that no page counts events."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from cdp.json_field import JsonField


class EventDay(models.Model):
    """How many events of one kind a source sent that happened on one business day; `last_at` is when the last came."""

    source = models.ForeignKey("profiles.Source", on_delete=models.CASCADE, related_name="+", db_index=False)
    definition = models.ForeignKey("profiles.EventDefinition", on_delete=models.CASCADE, related_name="+")
    day = models.DateField(_("day"), db_index=True)
    n_events = models.BigIntegerField(_("events"), default=0)
    last_at = models.DateTimeField(_("last received"))

    class Meta:
        verbose_name = _("day of an event")
        verbose_name_plural = _("days of events")
        constraints = [models.UniqueConstraint(fields=["source", "definition", "day"], name="event_day")]

    def __str__(self) -> str:
        return f"{self.source_id} {self.definition_id} {self.day}"


class KindDay(models.Model):
    """How many messages of a source carried an identifier of one kind, by the business day of their processing."""

    source = models.ForeignKey("profiles.Source", on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.ForeignKey("profiles.IdentifierKind", on_delete=models.CASCADE, related_name="+")
    day = models.DateField(_("day"), db_index=True)
    n_messages = models.BigIntegerField(_("messages"), default=0)

    class Meta:
        verbose_name = _("day of an identifier kind")
        verbose_name_plural = _("days of identifier kinds")
        constraints = [models.UniqueConstraint(fields=["source", "kind", "day"], name="kind_day")]

    def __str__(self) -> str:
        return f"{self.source_id} {self.kind_id} {self.day}"


class Violation(models.Model):
    """Something unplanned or unfit that messages of a source held and that was let through, by day; bounded by
    profiles/ingest/quality.py. `examples` are the last few: `{"message": id, "value": …}`, personal data.
    """

    class Rule(models.TextChoices):
        UNPLANNED_EVENT = "unplanned_event", _("Unplanned event")
        UNPLANNED_ATTRIBUTE = "unplanned_attribute", _("Unplanned attribute")
        SCHEMA = "schema", _("Breaks the schema")
        MISFIT = "misfit", _("Does not fit its type")
        MORE = "more", _("More kinds than are kept apart")

    source = models.ForeignKey(
        "profiles.Source", on_delete=models.CASCADE, related_name="+", db_index=False, verbose_name=_("source")
    )
    day = models.DateField(_("day"), db_index=True)
    event = models.CharField(_("event"), max_length=200)
    rule = models.CharField(_("what is wrong"), max_length=20, choices=Rule)
    path = models.CharField(_("place"), max_length=300, help_text=_("Such as properties.products[].price."))
    problem = models.CharField(_("problem"), max_length=300)
    n_messages = models.BigIntegerField(_("messages"), default=0)
    last_at = models.DateTimeField(_("last received"))
    examples = JsonField(_("examples"), default=list)

    class Meta:
        verbose_name = _("violation")
        verbose_name_plural = _("violations")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "day", "event", "rule", "path", "problem"], name="violation_day")
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"  # names may be addresses
