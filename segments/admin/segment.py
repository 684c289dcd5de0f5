"""Segments: the rule in words and numbers, who is in, who came and went."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cdp.admin.base import display
from cdp.keyset import keyset_page
from cdp.models import Run, User
from profiles.admin.holders import HolderAdmin, HolderForm, refresh_label, refresh_state
from profiles.admin.names import display_name
from profiles.models import Profile
from segments.models import Membership, MembershipChange, Segment
from segments.services import delete_segment, save_segment


class SegmentForm(HolderForm):
    """A segment and its rule."""

    class Meta:
        model = Segment
        fields = ("name", "key", "description", "rule")


@admin.register(Segment)
class SegmentAdmin(HolderAdmin):
    """Segments: saving one checks its rule as a whole and queues a refresh."""

    empty_text = _("No segments yet. A segment is everybody who matches a rule, kept up to date within seconds.")
    form = SegmentForm
    change_form_outer_before_template = "segments/segment_bar.html"
    holder_prefix = "segment"
    list_display = ("name", "key", "in_words", "n_members_shown", "refreshed_at", "state")
    search_fields = ("key", "name", "description")
    search_help_text = _("Key or name")
    fieldsets = (
        (None, {"fields": ("name", "key", "description", "rule", "seen_version")}),
        (_("State"), {"fields": ("n_members_shown", "refresh", "rule_version", "created_at")}),
    )
    add_fieldsets = ((None, {"fields": ("name", "key", "description", "rule", "seen_version")}),)
    read_fieldsets = (
        (None, {"fields": ("name", "key", "description", "rule_read")}),
        (_("State"), {"fields": ("n_members_shown", "refresh", "rule_version", "created_at")}),
    )
    readonly_fields = ("n_members_shown", "refresh", "rule_version", "created_at", "rule_read")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:segment_id>/members/", wrap(self.members_view), name="segments_segment_members"),
            path("<int:segment_id>/changes/", wrap(self.changes_view), name="segments_segment_changes"),
            *super().get_urls(),
        ]

    # --- Columns ---

    @display(description=_("members"), ordering="n_members")
    def n_members_shown(self, segment: Segment) -> SafeString:
        url = reverse("admin:segments_segment_members", args=[segment.pk])
        return format_html('<a class="st-link" href="{}">{}</a>', url, f"{segment.n_members:,}")

    @display(description=_("state"))
    def state(self, segment: Segment) -> SafeString | str:
        return refresh_label(segment)

    @display(description=_("last full refresh"))
    def refresh(self, segment: Segment) -> SafeString:
        return refresh_state(f"segment:{segment.key}", segment)

    # --- Pages of members and changes ---

    def members_view(self, request: HttpRequest, segment_id: int) -> HttpResponse:
        """The members by profile, with the time they entered."""
        # Not select_related: past the middle of a long list the planner would join by reading all profiles before.
        rows = Membership.objects.filter(segment=segment_id).prefetch_related("profile")
        page = keyset_page(rows, key="profile_id", after=request.GET.get("after", ""))
        table = [(row.profile_id, display_name(row.profile, request.user), row.entered_at) for row in page.rows]
        return self.rows_page(request, segment_id, gettext("Members"), "segments/members.html", page, table)

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
        self, request: HttpRequest, segment_id: int, title: str, template: str, page: Any, table: list[Any]
    ) -> HttpResponse:
        segment = get_object_or_404(Segment, pk=segment_id)
        if not self.has_view_permission(request, segment):
            return HttpResponse(status=403)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{segment.name} · {title}",
            "opts": self.opts,
            "original": segment,
            "segment": segment,
            "page": page,
            "table": table,
        }
        return TemplateResponse(request, template, context)

    # --- Saving ---

    def save_thing(self, thing: Segment, parts: list[Any], *, user: User, seen_version: int | None) -> Run | None:
        return save_segment(thing, user=user, expected_version=seen_version)

    def delete_thing(self, thing: Segment) -> None:
        delete_segment(thing)
