"""Where the data comes from and what it means: sources, definitions, kinds, rejected messages."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from cdp.admin.base import ReadOnlyAdmin, StrataAdmin, display, has_perm
from cdp.disclosure import may_see_pii
from profiles.masking import MASK
from profiles.models import AttributeDefinition, EventDefinition, RejectedMessage, Source, SourceDay
from profiles.models.source import COUNTERS

SHOWN = timedelta(days=30)  # of a source's counters


@admin.register(Source)
class SourceAdmin(StrataAdmin):
    """Sources. The write key lets collect, so only those see it who may change the source."""

    empty_text = _(
        "No source yet. Make one for each shop, app or till: its page shows the write key that the SDK needs."
    )
    list_display = ("name", "key", "kind", "rank", "default_region", "is_enabled")
    list_filter = ("kind", "is_enabled")
    search_fields = ("key", "name")
    search_help_text = _("Key or name")
    readonly_fields = ("write_key_shown", "created_at", "last_days")
    prepopulated_fields = {"key": ("name",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Source]:
        """Without Strata's own, which collects nothing: its key would lead nowhere."""
        sources: QuerySet[Source] = super().get_queryset(request)
        return sources.exclude(kind=Source.Kind.BUILT_IN)

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_choice_field(db_field, request, **kwargs)
        if db_field.name == "kind":
            field.choices = [(key, label) for key, label in db_field.choices if key != Source.Kind.BUILT_IN]
        return field

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        what_it_is = ("name", "key", "kind", "rank", "is_enabled")
        edited = (*what_it_is, "default_region", "previous_id_kind", "max_messages_per_second")
        if obj is None:
            return edited
        shown = ("write_key_shown",) if has_perm(request, "profiles.change_source") else ()
        return (*edited, *shown, "created_at", "last_days")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """The key and the rank are fixed: what was folded by them is not folded again."""
        return self.readonly_fields if obj is None else ("key", "rank", *self.readonly_fields)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Model | None = None) -> dict[str, Any]:
        return self.prepopulated_fields if obj is None else {}

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """What a source said stays on record, and the source with it; it can be switched off."""
        return False

    @display(description=_("write key"))
    def write_key_shown(self, source: Source) -> SafeString:
        return render_to_string("profiles/write_key.html", {"write_key": source.write_key})

    @display(description=_("last 30 days"))
    def last_days(self, source: Source) -> SafeString:
        """What became of its messages, the latest day first; days without any are left out."""
        days = source.days.filter(day__gt=timezone.localdate() - SHOWN).order_by("-day")
        names = [field.verbose_name for field in SourceDay._meta.fields if field.name in COUNTERS]
        rows = [(day.day, [getattr(day, name) for name in COUNTERS]) for day in days]
        return render_to_string("profiles/source_days.html", {"names": names, "rows": rows})


@admin.register(AttributeDefinition)
class AttributeDefinitionAdmin(StrataAdmin):
    """Attributes are made at first sight; here they get a label and are marked as personal data."""

    list_display = ("key", "shown_label", "type", "survivorship", "is_pii", "is_discovered")
    list_filter = ("type", "is_pii", "is_discovered")
    search_fields = ("key", "label")
    search_help_text = _("Key or label")
    fields = ("key", "label", "type", "survivorship", "is_pii", "is_discovered", "created_at")
    readonly_fields = ("key", "type", "survivorship", "is_discovered", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @display(description=_("label"), ordering="label")
    def shown_label(self, definition: AttributeDefinition) -> str:
        return gettext(definition.label) if definition.label else "-"


@admin.register(EventDefinition)
class EventDefinitionAdmin(ReadOnlyAdmin):
    """Events by name, and which of their properties is the number that counts."""

    list_display = ("name", "value_property", "value_sign", "is_discovered", "created_at")
    list_filter = ("is_discovered",)
    search_fields = ("name",)
    search_help_text = pgettext_lazy("of an event", "Name")
    fields = ("name", "value_property", "value_sign", "is_discovered", "created_at")


@admin.register(RejectedMessage)
class RejectedMessageAdmin(ReadOnlyAdmin):
    """Messages that could not be taken, newest first, with the reason."""

    empty_text = _("No message was rejected. One that cannot be taken stands here with its reason.")
    list_display = ("rejected_at", "source", "reason")
    list_filter = ("source",)
    list_select_related = ("source",)
    ordering = ("-id",)
    sortable_by = ()
    fields = ("source", "received_at", "rejected_at", "reason", "message")

    @display(description=_("message"))
    def message(self, rejected: Any) -> SafeString:
        text = pretty(rejected.payload) if may_see_pii(rejected.viewer) else MASK
        return format_html('<pre class="st-code">{}</pre>', text)


def pretty(payload: str) -> str:
    """A message as indented JSON; what is not JSON as it came."""
    try:
        return json.dumps(json.loads(payload), ensure_ascii=False, indent=2)
    except ValueError:
        return payload
