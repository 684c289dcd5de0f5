"""What the data means: attributes and events, discovered or planned."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.widgets import UnfoldAdminExpandableTextareaWidget

from cdp.admin.base import StrataAdmin, display
from cdp.admin.meanwhile import MeanwhileForm
from cdp.json_field import JsonDecoder
from cdp.models import Run, User
from profiles.admin.refold import ConfirmingAdmin, RefoldingAdmin
from profiles.ingest.schemas import SchemaError, check_schema
from profiles.masking import mask_attribute
from profiles.models import AttributeDefinition, EventDefinition
from profiles.models.definition import shipped_label
from profiles.services.definitions import (
    Consequences,
    check_attribute,
    check_key,
    consequences_of,
    plan,
    save_attribute,
    save_event_definition,
    suggested_schema,
)
from profiles.services.event_values import ValueConsequences, check_path, consequences_of_value, failed_promotion

PLANNED = {
    False: (pgettext_lazy("of a definition", "planned"), "success"),
    True: (pgettext_lazy("of a definition", "discovered"), "warning"),
}


def plan_label(definition: AttributeDefinition | EventDefinition) -> SafeString:
    text, type_ = PLANNED[definition.is_discovered]
    return render_to_string("unfold/helpers/label.html", {"text": text, "type": type_})


class PlanningAdmin(StrataAdmin):
    """A list of definitions, of which discovered ones can be made planned."""

    actions = ("make_planned",)
    actions_submit_line = ("save_and_plan",)

    def get_actions_submit_line(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """What is planned already has no button for it."""
        definition = super().get_object(request, object_id)  # None for an id that is none
        is_discovered = definition is not None and definition.is_discovered
        return list(super().get_actions_submit_line(request, object_id)) if is_discovered else []

    @action(description=_("Save as planned"), permissions=["change"])  # type: ignore[untyped-decorator]
    def save_and_plan(self, request: HttpRequest, obj: Any) -> None:
        """The saving itself reads the button, so that everything is one change."""

    def written(self, request: HttpRequest, form: MeanwhileForm) -> list[str]:
        """The fields that were changed on the page, by its button too."""
        if f"profiles_{self.opts.model_name}_save_and_plan" not in request.POST:
            return form.written()
        form.instance.is_discovered = False
        return [*form.written(), "is_discovered"]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @admin.action(description=_("Make planned"), permissions=["change"])
    def make_planned(self, request: HttpRequest, definitions: QuerySet[Any]) -> None:
        n = plan(definitions)
        self.message_user(request, ngettext("%(n)d is planned now.", "%(n)d are planned now.", n) % {"n": n})

    @display(description=_("state"), ordering="is_discovered")
    def planned(self, definition: Any) -> SafeString:
        return plan_label(definition)

    @display(description=_("label"), ordering="label")
    def shown_label(self, definition: Any) -> str:
        return shipped_label(definition.label) if definition.label else "-"


class AttributeForm(MeanwhileForm):
    """Type and survivorship must fit each other."""

    class Meta:
        model = AttributeDefinition
        fields = ("key", "label", "category", "type", "survivorship", "is_pii")
        help_texts = {
            "key": _(
                "As messages send it; nested traits by dotted path, such as address.street. It cannot be changed later."
            ),
            "type": _("What does not fit the type is kept as it came, and not shown."),
            "survivorship": _(
                "Which value is shown where several were said. Greatest and smallest are for numbers and dates, all "
                "items for lists. Before a change is made, the next page says what it does."
            ),
            "is_pii": _("Masked for those who may not see personal data."),
        }

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        key = given.get("key") or self.instance.key
        try:
            if self.instance.pk is None:
                check_key(key)
            if "type" in given and "survivorship" in given:
                check_attribute(AttributeDefinition(key=key, type=given["type"], survivorship=given["survivorship"]))
        except ValidationError as error:
            self.add_error(None, error)
        return given


@admin.register(AttributeDefinition)
class AttributeDefinitionAdmin(PlanningAdmin, RefoldingAdmin):
    """Attributes are made at first sight, or planned here. Another type or survivorship folds all values again."""

    form = AttributeForm
    list_display = ("key", "shown_label", "category", "type", "survivorship", "is_pii", "planned")
    list_filter = ("type", "survivorship", "is_pii", "is_discovered")
    search_fields = ("key", "label", "category")
    search_help_text = _("Key, label or category")
    fields = ("key", "label", "category", "type", "survivorship", "is_pii", "planned", "created_at")
    add_fields = ("key", "label", "category", "type", "survivorship", "is_pii")
    readonly_fields = ("planned", "created_at")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return self.add_fields if obj is None else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return self.readonly_fields if obj is None else ("key", *self.readonly_fields)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Personal until somebody says that it is not."""
        return {"is_pii": True, **super().get_changeform_initial_data(request)}

    def consequences(self, before: AttributeDefinition, after: AttributeDefinition) -> Consequences | None:
        return consequences_of(before, after)

    def save_and_queue(self, thing: AttributeDefinition, user: User, changed: Collection[str]) -> Run | None:
        return save_attribute(thing, user=user, changed=changed)

    def shown_misfit(self, request: HttpRequest, thing: AttributeDefinition, value: Any) -> Any:
        return mask_attribute(thing.key, value, request.user)


class Indented(json.JSONEncoder):
    """JSON as people read it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "indent": 2})


class SchemaField(forms.JSONField):
    """Empty where there is none, rather than `null`."""

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)


class EventForm(MeanwhileForm):
    """The schema is checked as a whole."""

    schema = SchemaField(
        label=_("JSON Schema"),
        required=False,
        encoder=Indented,
        decoder=JsonDecoder,
        widget=UnfoldAdminExpandableTextareaWidget(attrs={"class": "st-rule", "rows": 12, "spellcheck": "false"}),
        help_text=_(
            "What the properties must look like; empty: anything. Each source says what becomes of those that break it."
        ),
    )

    class Meta:
        model = EventDefinition
        fields = ("name", "label", "category", "value_property", "value_sign", "schema")
        help_texts = {
            "value_property": _(
                "Dotted path of the number that counts, such as total or order.total. The events stored so far get "
                "their value too; the next page says what that does. It cannot be changed later."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if getattr(self.instance, "is_suggested", False):  # a suggestion that comes back as it was shown is taken
            self.fields["schema"].show_hidden_initial = False

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        try:
            check_path(given.get("value_property", ""))
        except ValidationError as error:
            self.add_error(None, error)
        return given

    def clean_schema(self) -> Any:
        schema = self.cleaned_data["schema"]
        if schema is not None:
            try:
                check_schema(schema)
            except SchemaError as error:
                raise ValidationError(str(error)) from error
        return schema


@admin.register(EventDefinition)
class EventDefinitionAdmin(PlanningAdmin, ConfirmingAdmin):
    """Events by name: which of their properties is the number that counts, and what all of them look like.

    The number is named once; a run then gives the events stored so far their value.
    """

    form = EventForm
    change_form_outer_before_template = "profiles/event_bar.html"
    confirmation_template = "profiles/promote.html"
    queued_text = _("Saved. A run gives the events stored so far their value, and then refreshes what looks at it.")
    list_display = ("name", "event_label", "category", "value_property", "has_schema", "planned")
    list_filter = ("is_discovered",)
    search_fields = ("name", "label", "category")
    search_help_text = pgettext_lazy("of an event", "Name, label or category")
    fields = ("name", "label", "category", "value_property", "value_sign", "schema", "planned", "created_at")
    add_fields = ("name", "label", "category", "value_property", "value_sign", "schema")
    readonly_fields = ("planned", "created_at")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return self.add_fields if obj is None else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """What has a value keeps it: events hold it."""
        if not isinstance(obj, EventDefinition):
            return self.readonly_fields
        has_value = getattr(obj, "has_value", bool(obj.value_property))
        value = ("value_property", "value_sign") if has_value else ()
        return ("name", *value, *self.readonly_fields)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """With `?suggest`, the form offers a schema that the latest events fit."""
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            found.has_value = bool(found.value_property)  # a form that has errors writes on what it was given
        if found is not None and request.method == "GET" and "suggest" in request.GET:
            schema, n_seen = suggested_schema(found)
            if schema is None:
                self.message_user(request, gettext("No event of this name has come yet."), messages.WARNING)
            else:
                found.schema, found.is_suggested = schema, True
                said = ngettext("Made from the latest event.", "Made from the latest %(n)d events.", n_seen) % {
                    "n": n_seen
                }
                then = gettext("Look through it, then save.")
                self.message_user(request, f"{said} {then}", messages.WARNING)
        return found

    def consequences(self, before: EventDefinition, after: EventDefinition) -> ValueConsequences | None:
        return consequences_of_value(before, after)

    def save_and_queue(self, thing: EventDefinition, user: User, changed: Collection[str]) -> Run | None:
        return save_event_definition(thing, user=user, changed=changed)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        definition = kwargs.get("obj")
        context["failed_promotion"] = failed_promotion(definition) if isinstance(definition, EventDefinition) else None
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: EventDefinition, form: MeanwhileForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if "value_property" not in form.fields and request.POST.get("value_property", obj.value_property) != (
            obj.value_property
        ):  # the page was opened while it had none
            said = gettext("Its value is “%(name)s” already, and stays: events hold it.") % {"name": obj.value_property}
            self.message_user(request, said, messages.WARNING)

    @display(description=pgettext_lazy("of an event", "label"), ordering="label")
    def event_label(self, definition: EventDefinition) -> str:
        return self.shown_label(definition)

    @display(description=_("schema"), boolean=True)
    def has_schema(self, definition: EventDefinition) -> bool:
        return definition.schema is not None
