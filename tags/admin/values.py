"""Values of a tag that has more than its form shows: a list to search, and a page for each."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from cdp.admin.base import StrataAdmin, display, signed_in
from cdp.disclosure import may_see_pii
from cdp.ids import is_id
from profiles.admin.holders import HolderChangeList
from profiles.admin.refusals import RefusalPages, RefusedForm
from profiles.admin.rules import RULE_OVERRIDES, rule_as_read
from tags.admin.forms import TagValueForm
from tags.models import Tag, TagAssignment, TagValue
from tags.services.value import delete_value, save_value

LIST = "admin:tags_tagvalue_changelist"


class ValueForm(TagValueForm, RefusedForm):
    """A value alone."""

    class Meta:
        model = TagValue
        fields = ("tag", *TagValueForm.Meta.fields)

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        self.tell_what_was_refused()
        return data


class OfTagFilter(DropdownFilter):  # type: ignore[misc]
    """Those of one tag, whose page leads here."""

    title = _("tag")
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        tag = tag_asked_for(request.GET.get(self.parameter_name, ""))
        return [] if tag is None else [(str(tag.pk), tag.name)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[TagValue]) -> QuerySet[TagValue]:
        return queryset.filter(tag=self.value()) if self.value() else queryset


@admin.register(TagValue)
class TagValueAdmin(RefusalPages, StrataAdmin):
    """Values of tags. One is saved by the service that owns its tag, and none is edited of a tag by score: bands are
    seen together.
    """

    form = ValueForm
    formfield_overrides = {**StrataAdmin.formfield_overrides, **RULE_OVERRIDES}
    list_display = ("name", "key", "n_carriers", "in_words")
    list_filter = (OfTagFilter,)
    list_select_related = ("tag",)
    search_fields = ("key", "name")
    search_help_text = _("Key or name")
    ordering = ("tag", "position", "pk")
    autocomplete_fields = ("tag",)
    list_before_template = "tags/values_bar.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[HolderChangeList]:
        return HolderChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        tag = tag_asked_for(request.GET.get("tag", ""))
        named = {"title": f"{tag.name} · {gettext('Values')}", "tag": tag} if tag is not None else {}
        return super().changelist_view(request, {**(extra_context or {}), **named})

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        """Values that a hand or a file assigns have no rules."""
        tag = tag_asked_for(request.GET.get("tag", ""))
        return tuple(name for name in self.list_display if name != "in_words" or tag is None or tag.is_by_rule)

    def get_queryset(self, request: HttpRequest) -> QuerySet[TagValue]:
        live = TagAssignment.objects.live(timezone.now()).filter(value=OuterRef("pk"), tag=OuterRef("tag")).order_by()
        counted = live.values("value").annotate(n=Count("pk")).values("n")
        values: QuerySet[TagValue] = super().get_queryset(request)
        return values.annotate(n_assigned=Coalesce(Subquery(counted, output_field=IntegerField()), 0))

    # --- The form ---

    def get_fields(self, request: HttpRequest, obj: TagValue | None = None) -> tuple[str, ...]:
        rule = "rule" if obj is None or self.has_change_permission(request, obj) else "rule_read"
        tag = led_from(request) if obj is None else obj.tag
        has_rule = tag is None or tag.is_by_rule
        return ("tag", "name", "key", "position", *((rule,) if has_rule else ()))

    def get_readonly_fields(self, request: HttpRequest, obj: TagValue | None = None) -> tuple[str, ...]:
        """Rules speak of a value by its tag and its key."""
        return () if obj is None else ("tag", "key", "rule_read")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        tag = led_from(request)
        return {**super().get_changeform_initial_data(request), **({"tag": tag.pk} if tag is not None else {})}

    def has_change_permission(self, request: HttpRequest, obj: TagValue | None = None) -> bool:
        """Rules hold personal values; what is archived is read, until its tag is restored."""
        may = may_see_pii(request.user) and bool(super().has_change_permission(request, obj))
        is_open = obj is None or (obj.tag.lifecycle != Tag.Lifecycle.ARCHIVED and obj.tag.kind != Tag.Kind.SCORE)
        return may and is_open

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_see_pii(request.user) and bool(super().has_add_permission(request))

    def has_delete_permission(self, request: HttpRequest, obj: TagValue | None = None) -> bool:
        return self.has_change_permission(request, obj) and bool(super().has_delete_permission(request, obj))

    # --- Columns ---

    @display(description=_("rule"))
    def in_words(self, value: Any) -> str:
        return str(value.sentence)

    @display(description=_("carriers"), ordering="n_assigned")
    def n_carriers(self, value: Any) -> SafeString:
        people = f"{reverse('admin:profiles_profile_changelist')}?tag={value.tag_id}:{value.pk}"
        return format_html('<a class="st-link" href="{}">{}</a>', people, f"{value.n_assigned:,}")

    @display(description=_("rule"))
    def rule_read(self, value: Any) -> SafeString:
        return rule_as_read(value.rule, value.viewer)

    # --- Saving and deleting ---

    def save_model(self, request: HttpRequest, obj: TagValue, form: Any, change: bool) -> None:
        if not obj.tag.is_by_rule:
            obj.rule = None
        if save_value(obj, user=signed_in(request)) is not None:
            messages.success(request, gettext("Queued a refresh."))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        try:
            return super().delete_view(request, object_id, extra_context)
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return HttpResponseRedirect(reverse("admin:tags_tagvalue_change", args=[object_id]))

    def delete_model(self, request: HttpRequest, obj: TagValue) -> None:
        delete_value(obj, user=signed_in(request))

    def response_post_save_add(self, request: HttpRequest, obj: TagValue) -> HttpResponse:
        return HttpResponseRedirect(values_url(obj.tag_id))

    def response_post_save_change(self, request: HttpRequest, obj: TagValue) -> HttpResponse:
        return HttpResponseRedirect(values_url(obj.tag_id))


def tag_asked_for(text: str) -> Tag | None:
    return Tag.objects.filter(pk=int(text)).first() if is_id(text) else None


def led_from(request: HttpRequest) -> Tag | None:
    """The tag whose list led to the page of a new value."""
    led = parse_qs(request.GET.get("_changelist_filters", ""))
    return tag_asked_for(led.get("tag", [""])[0])


def values_url(tag_id: int) -> str:
    return f"{reverse(LIST)}?{urlencode({'tag': tag_id})}"
