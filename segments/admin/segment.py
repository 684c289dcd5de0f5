"""Segments: the rule in words and numbers, who is in, who came and went."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import orjson
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cdp.admin.base import display, signed_in
from cdp.admin.people import possible_owners
from cdp.admin.runs import progress
from cdp.keyset import keyset_page
from cdp.models import Run, User
from profiles.admin.actions import offered_actions
from profiles.admin.holders import HolderAdmin, HolderForm, badge, refresh_label, refresh_state
from profiles.admin.names import display_name
from profiles.models import IdentifierKind, Profile
from profiles.services.export import FileFormat, FormatMissing
from segments.admin.by_hand import MAX_LINES, ByHandPages, may_list, put_in_by_runs, unknown_of
from segments.admin.options import options_view
from segments.admin.overlap import OverlapPage
from segments.admin.portrait import PortraitPages
from segments.admin.sizes import SizePages
from segments.admin.upkeep import (
    ArchivedFilter,
    CategoryFilter,
    OwnerFilter,
    UpkeepPages,
    may_archive,
    may_duplicate,
)
from segments.downloads import members_response
from segments.feeds import SEGMENTS
from segments.models import Membership, MembershipChange, Segment
from segments.services import delete_segment, restore_segment_rule, save_segment
from segments.services.as_of import members_as_of
from segments.services.fill import FILL
from segments.services.sizes import recent_alerts

NAMED = ("name", "key", "kind", "category", "owner", "description")
READ = tuple("owner_read" if name == "owner" else name for name in NAMED)
FROZEN = {"rule": "rule_read", "refresh": "frozen"}  # what a snapshot has in place of what is refreshed


class SegmentForm(HolderForm):
    """A segment, and its rule where it has one."""

    class Meta:
        model = Segment
        fields = (*NAMED, "rule", "alert_percent")
        help_texts = {
            "kind": _(
                "By rule: everybody who matches, always up to date. By hand: whom you or an import put in. "
                "Snapshot: whoever matches now, frozen."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "owner" in self.fields:
            self.fields["owner"].queryset = possible_owners(self.instance.owner_id)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """The rule field is hidden for a segment by hand: what stands in it then is not meant."""
        data = super().clean()
        if data.get("kind", self.instance.kind) == Segment.Kind.STATIC:
            self.errors.pop("rule", None)
            data["rule"] = None
        elif "rule" in self.fields and data.get("rule") is None and "rule" not in self.errors:
            self.add_error("rule", gettext("This field is required."))
        return data


FIELDS = ("name", "key", "kind", "category", "owner", "description", "rule", "alert_percent", "seen_version")
EDITED = (None, {"fields": FIELDS})


@admin.register(Segment)
class SegmentAdmin(ByHandPages, PortraitPages, UpkeepPages, SizePages, OverlapPage, HolderAdmin):
    """Segments: saving one checks its rule as a whole and queues a refresh."""

    empty_text = _("No segments yet. A segment is everybody who matches a rule, kept up to date within seconds.")
    form = SegmentForm
    change_form_outer_before_template = "segments/segment_bar.html"
    holder_prefix = "segment"
    list_display = ("name", "key", "kind", "in_words", "n_members_shown", "category", "owner", "refreshed_at", "state")
    list_filter = ("kind", CategoryFilter, OwnerFilter, ArchivedFilter)
    list_select_related = ("owner",)
    # Of a segment that exists the kind is no field of the form, and its fieldsets have the rule or not.
    conditional_fields = {"rule": "typeof kind == 'undefined' || kind != 'static'"}
    search_fields = ("key", "name", "category", "description")
    search_help_text = _("Key, name, category or description")
    fieldsets = (
        EDITED,
        (_("State"), {"fields": ("n_members_shown", "refresh", "rule_version", "created_at")}),
    )
    add_fieldsets = (EDITED,)
    read_fieldsets = (
        (None, {"fields": (*READ, "rule_read", "alert_percent")}),
        (_("State"), {"fields": ("n_members_shown", "refresh", "rule_version", "created_at")}),
    )
    readonly_fields = ("n_members_shown", "refresh", "rule_version", "created_at", "rule_read", "owner_read", "frozen")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:segment_id>/members/", wrap(self.members_view), name="segments_segment_members"),
            path("<int:segment_id>/export/", wrap(self.export_view), name="segments_segment_export"),
            path("<int:segment_id>/changes/", wrap(self.changes_view), name="segments_segment_changes"),
            path("options/", wrap(options_view), name="segments_segment_options"),
            *self.by_hand_urls(),
            *self.portrait_urls(),
            *self.upkeep_urls(),
            *self.size_urls(),
            *self.overlap_urls(),
            *super().get_urls(),
        ]

    # --- By rule or by hand ---

    def is_filled_by_rule(self, thing: Segment) -> bool:
        return thing.kind == Segment.Kind.DYNAMIC and thing.archived_at is None

    def has_rules(self, thing: Segment) -> bool:
        return thing.kind != Segment.Kind.STATIC

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What is archived is read, until it is restored."""
        return (obj is None or obj.archived_at is None) and super().has_change_permission(request, obj)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        given: dict[str, Any] = {"owner": request.user.pk, **super().get_changeform_initial_data(request)}
        if "rule" in given:
            with suppress(ValueError):  # then the form shows it as it came
                given["rule"] = orjson.loads(given["rule"])
        return given

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        context |= {"may_duplicate": may_duplicate(request), "may_archive": may_archive(request)}
        if (segment := kwargs.get("obj")) is not None:
            context["size_alerts"] = recent_alerts(now=timezone.now()).filter(segment=segment)
        return super().render_change_form(request, context, *args, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Of a segment by hand without what is about rules; that of a snapshot is only read."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or obj.kind == Segment.Kind.DYNAMIC:
            return fieldsets
        if obj.kind == Segment.Kind.SNAPSHOT:
            return [
                (title, {**options, "fields": [FROZEN.get(name, name) for name in options["fields"]]})
                for title, options in fieldsets
            ]
        hidden = {"rule", "rule_read", "refresh", "rule_version"}
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name not in hidden]})
            for title, options in fieldsets
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The kind stays: who is in came by it."""
        return (*super().get_readonly_fields(request, obj), *(("kind",) if obj is not None else ()))

    # --- Columns ---

    @display(description=_("members"), ordering="n_members")
    def n_members_shown(self, segment: Segment) -> SafeString:
        url = reverse("admin:segments_segment_members", args=[segment.pk])
        return format_html('<a class="st-link" href="{}">{}</a>', url, f"{segment.n_members:,}")

    @display(description=_("state"))
    def state(self, segment: Segment) -> SafeString | str:
        if segment.archived_at is not None:
            return badge(gettext("Archived"), "default")
        if segment.kind == Segment.Kind.SNAPSHOT and segment.refreshed_at is not None:
            return badge(gettext("Frozen"), "info")
        return refresh_label(segment) if segment.kind != Segment.Kind.STATIC else "-"

    @display(description=_("last full refresh"))
    def refresh(self, segment: Segment) -> SafeString:
        return refresh_state(f"segment:{segment.key}", segment)

    @display(description=_("frozen"))
    def frozen(self, segment: Segment) -> SafeString:
        """When it was, and how its filling stands or ended; nothing follows time or is checked."""
        run = Run.objects.filter(kind=FILL, subject=self.holder_key(segment)).order_by("-id").first()
        return render_to_string("segments/frozen.html", {"segment": segment, "bar": progress(run) if run else ""})

    # --- Pages of members and changes ---

    def members_view(self, request: HttpRequest, segment_id: int, not_found: Sequence[str] = ()) -> HttpResponse:
        """The members by profile, with the time they entered; `not_found` stand in the form to add people again."""
        if request.GET.get("as_of"):
            return self.members_then_view(request, segment_id)
        # Not select_related: past the middle of a long list the planner would join by reading all profiles before.
        rows = Membership.objects.filter(segment=segment_id).prefetch_related("profile", "added_by")
        page = keyset_page(rows, key="profile_id", after=request.GET.get("after", ""))
        table = [(row, display_name(row.profile, request.user)) for row in page.rows]
        may_add = may_list(request, "segments.add_membership")
        if may_add and "again" in request.GET:
            not_found = unknown_of(segment_id, request.GET["again"])
        by_hand = {
            "may_add": may_add,
            "may_remove": may_list(request, "segments.delete_membership"),
            "kinds": IdentifierKind.objects.order_by("priority", "key"),
            "chosen_kind": request.POST.get("kind", request.GET.get("kind", "")),
            "not_found": not_found,
            "max_lines": MAX_LINES,
            "put_in": put_in_by_runs(segment_id),
            # The export of this page knows since when they are in.
            "all_actions": [each for each in offered_actions(request) if not each[0].startswith("export_")],
            "people_actions": offered_actions(request),
            "people_url": f"{reverse('admin:profiles_profile_changelist')}?segment={segment_id}",
        }
        return self.rows_page(request, segment_id, gettext("Members"), "segments/members.html", page, table, by_hand)

    def members_then_view(self, request: HttpRequest, segment_id: int) -> HttpResponse:
        """Who was in at the time that the field says, in the business zone."""
        try:
            as_of = timezone.make_aware(datetime.fromisoformat(request.GET["as_of"]).replace(tzinfo=None))
        except (ValueError, OverflowError):
            messages.error(request, gettext("This is no time: %(text)s") % {"text": request.GET["as_of"][:40]})
            return HttpResponseRedirect(request.path)
        if as_of > timezone.now():
            messages.error(request, gettext("This time is to come: choose an earlier one."))
            return HttpResponseRedirect(request.path)
        if (since := SEGMENTS.complete_since()) is not None and as_of < since:
            kept = gettext("What was before %(time)s is no longer kept.")
            messages.error(request, kept % {"time": f"{timezone.localtime(since):%Y-%m-%d %H:%M}"})
            return HttpResponseRedirect(request.path)
        rows = members_as_of(segment_id, as_of)
        page = keyset_page(rows.prefetch_related("profile"), key="profile_id", after=request.GET.get("after", ""))
        table = [(row, display_name(row.profile, request.user)) for row in page.rows]
        moment = timezone.make_naive(as_of).isoformat()
        further = {
            "as_of": as_of,
            "n_then": rows.count(),
            "kept_query": f"as_of={moment}",
            "all_actions": offered_actions(request),
            "people_actions": offered_actions(request),
            "people_url": f"{reverse('admin:profiles_profile_changelist')}?was_in={segment_id}@{moment}",
        }
        return self.rows_page(request, segment_id, gettext("Members"), "segments/members.html", page, table, further)

    def export_view(self, request: HttpRequest, segment_id: int) -> Any:
        """The members as a file of `format`; by POST, since the audit then knows of it."""
        segment = get_object_or_404(Segment, pk=segment_id)
        if request.method != "POST" or not self.has_view_permission(request, segment):
            return HttpResponse(status=405 if request.method != "POST" else 403)
        asked = request.POST.get("format", "")
        try:
            file_format = FileFormat(asked) if asked in FileFormat.values else FileFormat.CSV
            return members_response(segment, file_format=file_format, user=signed_in(request))
        except FormatMissing as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(reverse("admin:segments_segment_members", args=[segment_id]))

    def changes_view(self, request: HttpRequest, segment_id: int) -> HttpResponse:
        """Entries and exits, the latest first."""
        rows = MembershipChange.objects.filter(segment=segment_id)
        page = keyset_page(rows, key="pk", after=request.GET.get("after", ""), newest_first=True)
        profiles = Profile.objects.in_bulk({row.profile_id for row in page.rows})
        table = [
            (row, display_name(profiles[row.profile_id], request.user) if row.profile_id in profiles else None)
            for row in page.rows
        ]
        return self.rows_page(request, segment_id, gettext("Entered and left"), "segments/changes.html", page, table)

    def rows_page(
        self,
        request: HttpRequest,
        segment_id: int,
        title: str,
        template: str,
        page: Any,
        table: list[Any],
        further: Mapping[str, Any] | None = None,
    ) -> HttpResponse:
        segment = get_object_or_404(Segment, pk=segment_id)
        if not self.has_view_permission(request, segment):
            return HttpResponse(status=403)
        context = {
            **self.admin_site.each_context(request),
            "formats": FileFormat.choices,
            "title": f"{segment.name} · {title}",
            "opts": self.opts,
            "original": segment,
            "segment": segment,
            "page": page,
            "table": table,
            **(further or {}),
        }
        return TemplateResponse(request, template, context)

    # --- Saving ---

    def save_thing(
        self, thing: Segment, parts: list[Any], *, user: User, seen_version: int | None, changed: Collection[str] | None
    ) -> Run | None:
        return save_segment(thing, user=user, expected_version=seen_version, changed=changed)

    def restore_rules(self, thing: Segment, version: int, *, user: User) -> None:
        restore_segment_rule(thing, version, user=user)

    def delete_thing(self, thing: Segment) -> None:
        delete_segment(thing)
