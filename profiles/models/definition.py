"""What attributes and events mean: their type, and how one value is chosen from many."""

from __future__ import annotations

from django.db import models
from django.utils.functional import lazy
from django.utils.translation import gettext, pgettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from cdp.json_field import JsonField


class AttributeType(models.TextChoices):
    """Types of attributes and how the golden record stores them in JSON."""

    TEXT = "text", _("Text")  # string
    NUMBER = "number", _("Number")  # number
    BOOLEAN = "boolean", _("Yes or no")  # true, false
    DATE = "date", _("Date")  # string YYYY-MM-DD
    DATETIME = "datetime", _("Date and time")  # string YYYY-MM-DDTHH:MM:SS.ffffffZ, UTC
    LIST = "list", _("List")  # array of strings, numbers, booleans


class Survivorship(models.TextChoices):
    """How one value is chosen when sources disagree. Ties: later time, higher rank, greater message id."""

    MOST_RECENT = "most_recent", _("Most recent")
    FIRST = "first", _("First")
    SOURCE_RANK = "source_rank", _("Highest source rank, then most recent")
    MAX = "max", _("Greatest")
    MIN = "min", _("Smallest")
    UNION = "union", _("All items (union)")


class AttributeDefinition(models.Model):
    """An attribute of profiles. First sight makes one with a guessed type, discovered, and personal until cleared."""

    key = models.CharField(_("key"), max_length=200, unique=True)
    label = models.CharField(_("label"), max_length=200, blank=True)
    type = models.CharField(_("type"), max_length=8, choices=AttributeType, default=AttributeType.TEXT)
    survivorship = models.CharField(
        _("survivorship"), max_length=12, choices=Survivorship, default=Survivorship.MOST_RECENT
    )
    category = models.CharField(_("category"), max_length=100, blank=True)
    is_pii = models.BooleanField(_("personal data"), default=False)
    is_discovered = models.BooleanField(
        _("discovered"), default=False, help_text=_("Seen in messages, and not planned by anybody yet.")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("attribute definition")
        verbose_name_plural = _("attribute definitions")
        ordering = ["key"]

    def __str__(self) -> str:
        return self.label or self.key

    @property
    def shown_label(self) -> str:
        """In the reader's language, where Strata ships the label."""
        return shipped_label(self.label) if self.label else self.key


def shipped_label(label: str) -> str:
    """A label of the database in the reader's language, where Strata ships it: as the word for something of a person
    where that is another than elsewhere, such as “Name”.
    """
    said = pgettext("attribute", label)
    return said if said != label else gettext(label)


shipped_label_lazy = lazy(shipped_label, str)


class EventDefinition(models.Model):
    """An event by name. `value_property` names the number that becomes the event's value.

    Where `value_sign` is -1, the value is never positive, whichever sign the number was sent with. `schema` is a JSON
    Schema of the properties (profiles/ingest/schemas.py); sources say what becomes of those who break it.
    """

    id = models.AutoField(primary_key=True)  # four bytes: every event and two of its indexes hold it
    name = models.CharField(_("name"), max_length=200, unique=True)
    label = models.CharField(pgettext_lazy("of an event", "label"), max_length=200, blank=True)
    category = models.CharField(_("category"), max_length=100, blank=True)
    value_property = models.CharField(
        _("value property"), max_length=200, blank=True, help_text=_("Dotted path of the number that counts.")
    )
    value_sign = models.SmallIntegerField(
        _("sign"), default=1, choices=[(1, _("counts positive")), (-1, _("counts negative"))]
    )
    schema = JsonField(
        _("JSON Schema"), null=True, blank=True, help_text=_("What the properties must look like. Empty: anything.")
    )
    is_discovered = models.BooleanField(
        _("discovered"), default=False, help_text=_("Seen in messages, and not planned by anybody yet.")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("event definition")
        verbose_name_plural = _("event definitions")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
