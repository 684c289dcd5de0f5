"""Tags: by hand or by rule, with how many carry them; and the form that assigns one to a person."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from cdp.admin.base import display, has_perm, signed_in
from cdp.keys import give_keys
from cdp.keyset import keyset_page
from cdp.models import Run, User
from cdp.rules.days import end_of
from cdp.rules.errors import RuleError
from profiles.admin.holders import HolderAdmin, refresh_label, refresh_state
from profiles.admin.names import display_name
from profiles.models import Profile
from profiles.services.preview import PreviewTimeout
from tags.admin.bulk import may_tag, people_view, segment_options, undo_view
from tags.admin.cross import cross_view
from tags.admin.forms import FIELDS, MAX_INLINE, READ, TagForm, TagValueInline
from tags.admin.lifecycle import (
    CategoryFilter,
    LifecycleFilter,
    OwnerFilter,
    lifecycle_label,
    lifecycle_view,
    may_move,
)
from tags.admin.options import choices_view, tag_options
from tags.admin.trend import trend_view
from tags.admin.values import values_url
from tags.bands import Band
from tags.history import history_entries
from tags.models import Tag, TagAssignment, TagChange, TagValue
from tags.services import assign_tag, delete_tag, restore_tag_rules, save_tag, unassign_tag
from tags.services.coverage import coverage_of

MAX_BARS = 50  # of the coverage: of more values those that most people carry


@admin.register(Tag)
class TagAdmin(HolderAdmin):
    """Tags. Saving a rule tag checks its rules as a whole and queues a refresh."""

    empty_text = _("No tag yet. A tag says something of a person, by hand or by rule.")
    form = TagForm
    inlines = (TagValueInline,)
    holder_prefix = "tag"
    change_form_outer_before_template = "tags/tag_bar.html"
    change_form_outer_after_template = "tags/tag_facts.html"
    list_display = ("name", "key", "kind", "category", "owner", "in_words", "n_carriers", "state")
    list_filter = ("kind", LifecycleFilter, CategoryFilter, OwnerFilter)
    list_select_related = ("owner",)
    search_fields = ("key", "name", "category")
    search_help_text = _("Key, name or category")
    # Of a tag that exists the kind is no field of the form, and its fieldsets have these or not.
    conditional_fields = {
        "rule": "typeof kind == 'undefined' || kind == 'rule'",
        "score": "typeof kind == 'undefined' || kind == 'score'",
        "expires_after_days": "typeof kind == 'undefined' || kind == 'manual' || kind == 'imported'",
    }
    fieldsets = (
        (None, {"fields": (*FIELDS, "rule", "score", "seen_version")}),
        (_("State"), {"fields": ("n_carriers", "refresh", "rule_version", "created_at")}),
    )
    add_fieldsets = ((None, {"fields": (*FIELDS, "rule", "score", "seen_version")}),)
    read_fieldsets = (
        (None, {"fields": (*READ, "rule_read")}),
        (_("State"), {"fields": ("n_carriers", "refresh", "rule_version", "created_at")}),
    )
    readonly_fields = ("n_carriers", "refresh", "rule_version", "created_at", "rule_read", "owner_read")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("assign/<int:profile_id>/", wrap(self.assign_view), name="tags_assign"),
            path("unassign/<int:profile_id>/", wrap(self.unassign_view), name="tags_unassign"),
            path("<int:tag_id>/lifecycle/", wrap(lifecycle_view), name="tags_tag_lifecycle"),
            path("options/", wrap(tag_options), name="tags_tag_options"),
            path("choices/", wrap(choices_view), name="tags_choices"),
            path("people/segments/", wrap(segment_options), name="tags_segment_options"),
            path("<int:tag_id>/people/", wrap(self.people_view), name="tags_tag_people"),
            path("bulk/<int:bulk_id>/undo/", wrap(undo_view), name="tags_bulk_undo"),
            path("<int:tag_id>/changes/", wrap(self.changes_view), name="tags_tag_changes"),
            path("<int:tag_id>/cross/", wrap(self.cross_view), name="tags_tag_cross"),
            path("<int:tag_id>/trend/", wrap(self.trend_view), name="tags_tag_trend"),
            path("<int:tag_id>/coverage/", wrap(self.coverage_view), name="tags_tag_coverage"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tag]:
        """With the number of those who carry it, by index alone: 0.1 s for a million assignments."""
        live = TagAssignment.objects.live(timezone.now()).filter(tag=OuterRef("pk")).order_by()
        counted = live.values("tag").annotate(n=Count("pk")).values("n")
        tags: QuerySet[Tag] = super().get_queryset(request)
        return tags.annotate(
            n_assigned=Coalesce(Subquery(counted, output_field=IntegerField()), 0), n_values=Count("values")
        )

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        """Without values where there are very many: they have pages of their own."""
        return () if has_many(obj) else super().get_inlines(request, obj)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Without a rule of its own where it has none: by hand, or with a rule for each value. What a rule assigns does
        not expire.
        """
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            return fieldsets
        hidden = {"rule", "rule_read"} if obj.n_values or obj.kind != Tag.Kind.RULE else set()
        hidden |= {"expires_after_days"} if obj.is_by_rule else set()
        hidden |= {"score"} if obj.kind != Tag.Kind.SCORE or has_many(obj) else set()
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name not in hidden]})
            for title, options in fieldsets
        ]

    # --- Columns ---

    @display(description=_("rule"))
    def in_words(self, thing: Any) -> str:
        """The rule, or that each value has its own."""
        if thing.is_by_rule and thing.n_values:
            return ngettext("%(n)d value", "%(n)d values", thing.n_values) % {"n": thing.n_values}
        return super().in_words(thing)

    @display(description=_("carriers"), ordering="n_assigned")
    def n_carriers(self, tag: Any) -> SafeString:
        people = f"{reverse('admin:profiles_profile_changelist')}?tag={tag.pk}"
        return format_html('<a class="st-link" href="{}">{}</a>', people, f"{tag.n_assigned:,}")

    @display(description=_("state"))
    def state(self, tag: Tag) -> SafeString | str:
        is_filled = self.is_filled_by_rule(tag)
        return refresh_label(tag) if is_filled else lifecycle_label(tag)

    @display(description=_("last full refresh"))
    def refresh(self, tag: Tag) -> SafeString | str:
        return refresh_state(self.holder_key(tag), tag) if self.is_filled_by_rule(tag) else "-"

    # --- Saving ---

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The kind stays: who carries the tag came by it. The lifecycle has buttons."""
        return (*super().get_readonly_fields(request, obj), *(("kind", "lifecycle") if obj is not None else ()))

    def is_filled_by_rule(self, thing: Tag) -> bool:
        return thing.is_by_rule and thing.lifecycle == Tag.Lifecycle.ACTIVE

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What is archived is read, until it is restored."""
        is_archived = obj is not None and obj.lifecycle == Tag.Lifecycle.ARCHIVED
        return not is_archived and super().has_change_permission(request, obj)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": request.user.pk, **super().get_changeform_initial_data(request)}

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        context |= {"may_move": may_move(request), "may_tag": may_tag(request)}
        tag = kwargs.get("obj")
        if tag is not None and has_many(tag):
            context["values_url"] = values_url(tag.pk)
        return super().render_change_form(request, context, *args, **kwargs)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Values that came with a form, while others made them too many for one, are not dropped without a word."""
        if has_many(form.instance) and "values-TOTAL_FORMS" in request.POST:
            raise ValidationError(gettext("It has more values by now than a form shows: reload the page."))
        super().save_related(request, form, formsets, change)

    def save_thing(
        self, thing: Tag, parts: list[Any], *, user: User, seen_version: int | None, changed: Collection[str] | None
    ) -> Run | None:
        """Of a tag by score, the bands become the rules of its values; what is hidden for a kind is not meant."""
        model, _dot, field = getattr(thing, "asked_score", "").partition(".")
        give_keys(parts, otherwise="value")
        for part in parts:
            if thing.kind == Tag.Kind.SCORE:
                start, end, among = part.asked_band
                part.rule = Band(model, field, start, end, among).rule
            elif not thing.is_by_rule:
                part.rule = None
        values = None if has_many(thing) else parts
        return save_tag(thing, values=values, user=user, expected_version=seen_version, changed=changed)

    def restore_rules(self, thing: Tag, version: int, *, user: User) -> None:
        restore_tag_rules(thing, version, user=user)

    def delete_thing(self, thing: Tag) -> None:
        delete_tag(thing)

    def parts_of_thing(self, thing: Tag) -> Iterable[TagValue]:
        return thing.values.all()

    # --- Who carries it ---

    def coverage_view(self, request: HttpRequest, tag_id: int) -> HttpResponse:
        """The card with the numbers of carriers, which the page of the tag asks for."""
        tag = get_object_or_404(Tag.objects.prefetch_related("values"), pk=tag_id)
        if not self.has_view_permission(request, tag):
            return HttpResponse(status=403)
        is_preview = tag.lifecycle == Tag.Lifecycle.DRAFT and tag.is_by_rule
        context: dict[str, Any] = {"tag": tag, "is_preview": is_preview, "is_by_value": bool(tag.values.all())}
        try:
            coverage = coverage_of(tag, now=timezone.now())
            context |= {"coverage": coverage, "shares": coverage.values}
            if len(coverage.values) > MAX_BARS:
                most = sorted(coverage.values, key=lambda each: -each.n_carriers)
                context |= {"shares": most[:MAX_BARS], "n_shares": len(coverage.values)}
                context["values_url"] = values_url(tag.pk)
        except PreviewTimeout as error:
            context["problem"] = str(error)
        except RuleError as error:
            context["problem"] = "; ".join(str(problem) for problem in error.problems)
        return TemplateResponse(request, "tags/coverage.html", context)

    def changes_view(self, request: HttpRequest, tag_id: int) -> HttpResponse:
        """Who got, changed and lost the tag, the latest first."""
        tag = get_object_or_404(Tag.objects.prefetch_related("values"), pk=tag_id)
        if not has_perm(request, "tags.view_tagchange"):
            return HttpResponse(status=403)
        rows = TagChange.objects.filter(tag=tag).select_related("by")
        page = keyset_page(rows, key="pk", after=request.GET.get("after", ""), newest_first=True)
        profiles = Profile.objects.in_bulk({row.profile_id for row in page.rows})
        named = [
            display_name(profiles[row.profile_id], request.user) if row.profile_id in profiles else None
            for row in page.rows
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": f"{tag.name} · {gettext('Who got and lost it')}",
            "opts": self.opts,
            "original": tag,
            "tag": tag,
            "page": page,
            "table": list(zip(history_entries(page.rows, [tag]), named, strict=True)),
        }
        return TemplateResponse(request, "tags/changes.html", context)

    def trend_view(self, request: HttpRequest, tag_id: int) -> HttpResponse:
        """How many carried it by day."""
        return trend_view(request, tag_id, {**self.admin_site.each_context(request), "opts": self.opts})

    def cross_view(self, request: HttpRequest, tag_id: int) -> HttpResponse:
        """How many carry which of its values and which of another tag."""
        return cross_view(request, tag_id, {**self.admin_site.each_context(request), "opts": self.opts})

    # --- Assigning by hand ---

    def people_view(self, request: HttpRequest, tag_id: int) -> HttpResponse:
        """Many people at once."""
        return people_view(request, tag_id, {**self.admin_site.each_context(request), "opts": self.opts})

    def assign_view(self, request: HttpRequest, profile_id: int) -> HttpResponse:
        """Assign `tag:value`, `until` a day that it lasts to the end of, as the forms on the profile page post it.

        Without a day, as long as the tag says; `endless` is without end.
        """
        if request.method != "POST" or not has_perm(request, "tags.add_tagassignment"):
            return HttpResponse(status=405 if request.method != "POST" else 403)
        profile = get_object_or_404(Profile.objects.current(), pk=profile_id)
        tag_id, _colon, value_id = request.POST.get("choice", "").partition(":")
        tag = manual_tag_or_404(tag_id)
        value = get_object_or_404(TagValue, tag=tag, pk=value_id) if value_id.isdecimal() else None
        if value is None and tag.values.exists():
            raise Http404
        now = timezone.now()
        try:
            until = forms.DateField(required=False).clean(request.POST.get("until", ""))
            expires_at = None if request.POST.get("endless") else end_of(until) if until else tag.end_of(now)
            assign_tag(tag, [profile.pk], value=value, expires_at=expires_at, user=signed_in(request), now=now)
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            messages.success(request, gettext("Assigned %(tag)s.") % {"tag": tag.name})
        return HttpResponseRedirect(reverse("admin:profiles_profile_change", args=[profile.pk]))

    def unassign_view(self, request: HttpRequest, profile_id: int) -> HttpResponse:
        """Take a manual tag off one person."""
        if request.method != "POST" or not has_perm(request, "tags.delete_tagassignment"):
            return HttpResponse(status=405 if request.method != "POST" else 403)
        profile = get_object_or_404(Profile.objects.current(), pk=profile_id)
        tag = manual_tag_or_404(request.POST.get("tag", ""))
        unassign_tag(tag, [profile.pk], user=signed_in(request), now=timezone.now())
        messages.success(request, gettext("Removed %(tag)s.") % {"tag": tag.name})
        return HttpResponseRedirect(reverse("admin:profiles_profile_change", args=[profile.pk]))


def has_many(tag: Any) -> bool:
    """Whether a tag of `get_queryset` has more values than a form shows."""
    return bool(getattr(tag, "n_values", 0) > MAX_INLINE)


def manual_tag_or_404(tag_id: str) -> Tag:
    """Rules assign the other tags: no hand does. Nor does one assign what is not in use."""
    if not tag_id.isdecimal():
        raise Http404
    return get_object_or_404(Tag.objects.active(), pk=tag_id, kind=Tag.Kind.MANUAL)
