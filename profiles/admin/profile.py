"""The list of profiles, and each person's page. Nothing about a person is edited here but what sections bring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from cdp.admin.base import ReadOnlyAdmin, StrataChangeList, display, has_perm
from cdp.disclosure import may_see_pii
from cdp.local_settings import HEAVY_WORK_MEM
from profiles.admin.actions import PROFILE_ACTIONS, may_take, offered_actions
from profiles.admin.by_rule import by_rule_context
from profiles.admin.consents import write_down
from profiles.admin.explain import explain_page
from profiles.admin.filters import profile_filters
from profiles.admin.holders import edits_rules
from profiles.admin.merging import MAX_AT_ONCE, MAY_MERGE, merge_page, merge_url
from profiles.admin.names import display_name
from profiles.admin.page import person_context
from profiles.admin.parting import split_page, undo_page
from profiles.admin.people import list_of_people
from profiles.admin.rule_builder import (
    rule_language,
    rule_names,
    rule_preview,
    rule_properties,
    rule_token,
    rule_values,
)
from profiles.admin.search import find_people
from profiles.admin.separations import lift_page
from profiles.admin.timeline import timeline_context
from profiles.masking import mask_identifier
from profiles.models import Identifier, Profile
from profiles.sections import Section, all_sections
from profiles.services.preview import PreviewTimeout, in_time

IDENTIFIERS_SHOWN = 2
View: TypeAlias = Callable[[HttpRequest], HttpResponse]


class ProfileChangeList(StrataChangeList):
    """Loads the sections' names for the rows of the page, one query a section."""

    queryset: Any

    def get_results(self, request: HttpRequest) -> None:
        try:
            with in_time(work_mem=HEAVY_WORK_MEM, jit="off"):  # as its number was counted, where it is by a rule
                super().get_results(request)
        except PreviewTimeout:
            messages.warning(
                request,
                gettext("This list takes too long to find. A shorter time window, or a filter more, makes it faster."),
            )
            self.queryset = self.queryset.none()
            super().get_results(request)
        self.listed = list_of_people(self)
        if not may_see_pii(request.user):
            self.search_help_text = _("Profile id")
        ids = [profile.pk for profile in self.result_list]
        for section in all_sections():
            if section.names is None:
                continue
            named = section.names(ids)
            for profile in self.result_list:
                profile.section_names = {
                    **getattr(profile, "section_names", {}),
                    section.key: named.get(profile.pk, []),
                }


def section_column(section: Section) -> Callable[[Any], SafeString | str]:
    """A column with the short words of one section."""

    @display(description=section.title)
    def column(profile: Any) -> SafeString | str:
        return chips(profile.section_names[section.key]) or "-"

    column.__name__ = f"section_{section.key}"
    return column


def chips(words: list[str], shown: int = 4) -> SafeString:
    """Words as small badges; past `shown`, how many more."""
    more = [f"+{len(words) - shown}"] if len(words) > shown else []
    inner = format_html_join("", '<span class="st-chip">{}</span>', ((word,) for word in [*words[:shown], *more]))
    return format_html('<span class="st-chips">{}</span>', inner) if words else SafeString("")


@admin.register(Profile)
class ProfileAdmin(ReadOnlyAdmin):
    """People, newest activity first."""

    empty_text = _("Nobody is known yet. Profiles come with the first messages of a source, or with an imported file.")
    ordering = ("-last_sight__at", "-id")
    sortable_by = ()
    search_fields = ("public_id",)  # shows the search box; get_search_results decides what it finds
    search_help_text = _("Email, phone, member card, id or name")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("rule-preview/", wrap(self.for_editors(rule_preview)), name="profiles_rule_preview"),
            path("rule-language/", wrap(self.for_editors(rule_language)), name="profiles_rule_language"),
            path("rule-token/", wrap(self.for_editors(rule_token)), name="profiles_rule_token"),
            path("rule-names/", wrap(self.for_editors(rule_names)), name="profiles_rule_names"),
            path("rule-properties/", wrap(self.for_viewers(rule_properties)), name="profiles_rule_properties"),
            path("rule-values/", wrap(self.for_viewers(rule_values)), name="profiles_rule_values"),
            path("merge/", wrap(self.merge_view), name="profiles_profile_merge"),
            path("<int:profile_id>/split/", wrap(self.split_view), name="profiles_profile_split"),
            path("<int:profile_id>/lift/", wrap(self.lift_view), name="profiles_profile_lift"),
            path("merge/<int:merge_id>/undo/", wrap(self.undo_view), name="profiles_profile_undo"),
            path("by-id/<uuid:public_id>/", wrap(self.by_id_view), name="profiles_profile_by_id"),
            path("<int:profile_id>/timeline/", wrap(self.timeline_view), name="profiles_profile_timeline"),
            path("<int:profile_id>/explain/", wrap(self.explain_view), name="profiles_profile_explain"),
            path("<int:profile_id>/consent/", wrap(self.consent_view), name="profiles_profile_consent"),
            *super().get_urls(),
        ]

    # --- The list ---

    list_before_template = "profiles/people_bar.html"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(
            request,
            {
                **by_rule_context(request),
                "people_actions": offered_actions(request),
                "people_url": request.get_full_path(),
                # Django would name the bounded count of the pages.
                "selection_note_all": gettext("All of the list are chosen"),
                **(extra_context or {}),
            },
        )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ProfileChangeList]:
        return ProfileChangeList

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        columns = [section_column(section) for section in all_sections() if section.names is not None]
        return ["name", "identifiers", *columns, "last_seen"]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return profile_filters()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Profile]:
        shown = Identifier.objects.select_related("kind").order_by("kind__priority", "pk")[: IDENTIFIERS_SHOWN + 1]
        profiles: QuerySet[Profile] = super().get_queryset(request).seen()
        return profiles.prefetch_related(Prefetch("identifiers", queryset=shown, to_attr="first_identifiers"))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Profile], search_term: str
    ) -> tuple[QuerySet[Profile], bool]:
        """Exact by public id or any identifier, else by the start of the name; see `find_people` for who may."""
        queryset = queryset.filter(merged_into__isnull=True, erased_at__isnull=True)
        term = search_term.strip()
        if not term:
            return queryset, False
        if found := find_people(request, term):
            return queryset.filter(pk__in=found), False
        if may_see_pii(request.user):
            return queryset.named(term), False  # type: ignore[attr-defined]
        return queryset.none(), False

    @display(description=pgettext_lazy("attribute", "Name"))
    def name(self, profile: Any) -> str:
        return display_name(profile, profile.viewer)

    @display(description=_("identifiers"))
    def identifiers(self, profile: Any) -> SafeString:
        words = [
            f"{gettext(found.kind.label)} {mask_identifier(found.kind.key, found.value, profile.viewer)}"
            for found in profile.first_identifiers
        ]
        return chips([*words[:IDENTIFIERS_SHOWN], *(["…"] if len(words) > IDENTIFIERS_SHOWN else [])])

    @display(description=_("last seen"))
    def last_seen(self, profile: Profile) -> SafeString:
        seen = timezone.localtime(profile.last_seen_at)
        return format_html('<span class="st-nowrap">{}</span>', f"{seen:%Y-%m-%d %H:%M}")

    # --- Merging and taking apart ---

    actions = PROFILE_ACTIONS

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without those that the apps brought and this user may not take."""
        actions: dict[str, Any] = super().get_actions(request)
        return {name: each for name, each in actions.items() if may_take(request, name)}

    def has_merge_permission(self, request: HttpRequest) -> bool:
        return has_perm(request, MAY_MERGE)

    @admin.action(description=_("Merge the chosen…"), permissions=["merge"])
    def merge_chosen(self, request: HttpRequest, queryset: QuerySet[Profile]) -> HttpResponse:
        """Those who are ticked, side by side."""
        chosen = list(queryset.order_by("first_seen_at", "pk").values_list("pk", flat=True)[: MAX_AT_ONCE + 1])
        if len(chosen) > MAX_AT_ONCE:
            messages.warning(request, gettext("At most %(max)d at once.") % {"max": MAX_AT_ONCE})
        return HttpResponseRedirect(merge_url(chosen[:MAX_AT_ONCE]))

    def merge_view(self, request: HttpRequest) -> HttpResponse:
        return merge_page(request, {**self.admin_site.each_context(request), "opts": self.opts})

    def split_view(self, request: HttpRequest, profile_id: int) -> HttpResponse:
        profile = self.profile_or_404(request, str(profile_id))
        if profile.merged_into_id is not None:
            return self.to_survivor(request, profile)
        return split_page(request, profile, {**self.admin_site.each_context(request), "opts": self.opts})

    def undo_view(self, request: HttpRequest, merge_id: int) -> HttpResponse:
        return undo_page(request, merge_id, {**self.admin_site.each_context(request), "opts": self.opts})

    def lift_view(self, request: HttpRequest, profile_id: int) -> HttpResponse:
        profile = self.profile_or_404(request, str(profile_id))
        return lift_page(request, profile, {**self.admin_site.each_context(request), "opts": self.opts})

    # --- The page ---

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A person's page. A merged-away profile leads to its survivor."""
        profile = self.profile_or_404(request, object_id)
        if profile.merged_into_id is not None:
            return self.to_survivor(request, profile)
        name = display_name(profile, request.user)
        profile.shown_name = name  # type: ignore[attr-defined]  # for the breadcrumb
        may_merge = has_perm(request, MAY_MERGE)
        person = person_context(request, profile)
        context = {
            **self.admin_site.each_context(request),
            "title": name,
            "opts": self.opts,
            "original": profile,
            "is_fullwidth": "1",
            "may_merge": may_merge,
            "may_split": may_merge and len(person["identifiers"]) > 1,
            "merge_url": merge_url([profile.pk]),
            **person,
        }
        return TemplateResponse(request, "profiles/page.html", context)

    def to_survivor(self, request: HttpRequest, profile: Profile) -> HttpResponse:
        text = gettext("Profile %(id)s was merged into this one.") % {"id": profile.public_id}
        messages.info(request, text)
        return HttpResponseRedirect(reverse("admin:profiles_profile_change", args=[profile.merged_into_id]))

    def by_id_view(self, request: HttpRequest, public_id: Any) -> HttpResponse:
        """The page of a profile by its public id, as API, outbox and files name it."""
        found = Profile.objects.filter(public_id=public_id).values_list("pk", flat=True).first()
        if found is None:
            raise Http404
        return HttpResponseRedirect(reverse("admin:profiles_profile_change", args=[found]))

    def consent_view(self, request: HttpRequest, profile_id: int) -> HttpResponse:
        """One word of consent. Refused, it comes again with what was typed."""
        if request.method != "POST" or not has_perm(request, "profiles.add_consent"):
            return HttpResponse(status=405 if request.method != "POST" else 403)
        profile = self.profile_or_404(request, str(profile_id))
        refused = write_down(request, profile)
        if refused is not None and profile.merged_into_id is None:
            request.refused_consent = refused  # type: ignore[attr-defined]
            return self.change_view(request, str(profile_id))
        return HttpResponseRedirect(reverse("admin:profiles_profile_change", args=[profile_id]) + "#consents")

    def explain_view(self, request: HttpRequest, profile_id: int) -> HttpResponse:
        """Why the person is in something that rules fill, or is not."""
        profile = self.profile_or_404(request, str(profile_id))
        if profile.merged_into_id is not None:
            survivor = reverse("admin:profiles_profile_explain", args=[profile.merged_into_id])
            return HttpResponseRedirect(f"{survivor}?{request.GET.urlencode()}")
        return explain_page(request, profile, {**self.admin_site.each_context(request), "opts": self.opts})

    def timeline_view(self, request: HttpRequest, profile_id: int) -> HttpResponse:
        """The next page of events, for htmx."""
        profile = self.profile_or_404(request, str(profile_id))
        context = timeline_context(request, profile, before=request.GET.get("before", ""))
        return TemplateResponse(request, "profiles/timeline.html", context)

    # --- What the builder of rules asks ---

    def for_editors(self, view: View) -> View:
        """The view for those who write rules; others are refused."""
        return lambda request: view(request) if edits_rules(request, self.admin_site) else HttpResponse(status=403)

    def for_viewers(self, view: View) -> View:
        """The view, which masks, for those who may see people."""
        return lambda request: view(request) if self.has_view_permission(request) else HttpResponse(status=403)

    def profile_or_404(self, request: HttpRequest, object_id: str) -> Profile:
        profile = Profile.objects.filter(pk=object_id).first() if object_id.isdecimal() else None
        if profile is None or profile.erased_at is not None or not self.has_view_permission(request, profile):
            raise Http404
        return profile
