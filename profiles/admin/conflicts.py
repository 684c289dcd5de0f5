"""Identity conflicts: identifiers that a message named together and that were kept apart, and what to do about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from cdp.admin.base import ReadOnlyAdmin, display, has_perm, signed_in
from cdp.disclosure import may_see_pii
from cdp.models import User
from profiles.admin.comparison import compare
from profiles.admin.holders import badge
from profiles.admin.identity import error_text, identifier_text, person_link
from profiles.admin.merging import MAY_MERGE, merge_url
from profiles.admin.people import asked_again
from profiles.identity.errors import IdentityError
from profiles.masking import MASK
from profiles.models import Identifier, IdentityConflict, Profile
from profiles.services.identity.conflicts import (
    MAX_DISMISSED,
    MAX_NOTE,
    dismiss_conflict,
    dismiss_conflicts,
    gone,
    open_by_identifier,
    reopen_conflict,
    settle_by_move,
)
from profiles.services.identity.preview import PreviewUnavailable, preview
from profiles.services.search import find_identifiers

STATE_KINDS = {
    IdentityConflict.State.OPEN: "warning",
    IdentityConflict.State.DISMISSED: "default",
    IdentityConflict.State.SETTLED: "success",
}
MAX_NAMED = 20  # identifiers of a search that are named above the list


class IdentifierFilter(DropdownFilter):  # type: ignore[misc]
    """Those that name one identifier, to which other pages lead; without it there is nothing to choose."""

    title = _("identifier")
    parameter_name = "identifier"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        asked = request.GET.get("identifier")
        if not asked:
            return []
        named = named_by(request)
        return [(asked, identifier_text(named[0], request.user) if named else gettext("Nobody has it any more"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.naming([each.pk for each in named_by(request)]) if self.value() else queryset  # type: ignore[attr-defined]


def named_by(request: HttpRequest) -> list[Identifier]:
    """The identifier that the address of the list names, or those that are searched for by who may see them."""
    asked = request.GET.get("identifier")
    if asked:
        ids = [int(asked)] if asked.isdecimal() and len(asked) < 19 else []
    else:
        term = request.GET.get("q", "").strip()
        ids = find_identifiers(term) if term and may_see_pii(signed_in(request)) else []
    return list(Identifier.objects.filter(pk__in=ids[:MAX_NAMED]).select_related("kind").order_by("pk"))


def list_url(identifier: Identifier) -> str:
    """The open conflicts that name it."""
    return f"{reverse('admin:profiles_identityconflict_changelist')}?identifier={identifier.pk}&state__exact=open"


@admin.register(IdentityConflict)
class IdentityConflictAdmin(ReadOnlyAdmin):
    """What to look at, newest first."""

    empty_text = _(
        "No conflict. When a message names identifiers that a limit or a separation keeps apart, they stand here for "
        "review."
    )
    list_display = (
        "last_at", "kept", "kept_profile", "kept_apart", "kept_apart_profile", "reason", "source", "n_messages",
        "status",
    )  # fmt: skip
    list_filter = ("state", "kind", "source", "reason", IdentifierFilter)
    list_before_template = "profiles/conflicts_bar.html"
    actions = ("dismiss_chosen",)
    search_fields = ("id",)  # shows the search box; get_search_results decides what it finds
    search_help_text = _("An identifier, such as a device id")
    list_select_related = ("anchor__kind", "anchor__profile", "left_out__kind", "left_out__profile", "kind", "source")
    ordering = ("-id",)
    sortable_by = ()

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/dismiss/", wrap(self.dismiss_view), name="profiles_identityconflict_dismiss"),
            path("<int:pk>/move/", wrap(self.move_view), name="profiles_identityconflict_move"),
            path("<int:pk>/reopen/", wrap(self.reopen_view), name="profiles_identityconflict_reopen"),
            *super().get_urls(),
        ]

    # --- Many at once ---

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """With how many open conflicts there are of the identifiers that the list is narrowed down to."""
        named = named_by(request)
        n_open = open_by_identifier([each.pk for each in named])
        context = {
            "is_one": "identifier" in request.GET,
            "named": [
                (identifier_text(each, request.user), n_open[each.pk], list_url(each))
                for each in named
                if each.pk in n_open
            ],
            "may_decide": self.has_merge_permission(request),
            "conflicts_url": request.get_full_path(),
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[IdentityConflict], search_term: str
    ) -> tuple[QuerySet[IdentityConflict], bool]:
        """Those that name the identifier, whichever side it is; only for who may see it."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if not may_see_pii(signed_in(request)):
            messages.warning(
                request, gettext("Only those who may see personal data find conflicts by their identifiers.")
            )
            return queryset.none(), False
        return queryset.naming(find_identifiers(term)), False  # type: ignore[attr-defined]

    def has_merge_permission(self, request: HttpRequest) -> bool:
        return has_perm(request, MAY_MERGE)

    @admin.action(description=_("Dismiss the chosen…"), permissions=["merge"])
    def dismiss_chosen(self, request: HttpRequest, chosen: QuerySet[IdentityConflict]) -> HttpResponse | None:
        """Ask first, for a note too; then dismiss those of them that are open."""
        chosen = IdentityConflict.objects.filter(pk__in=chosen.order_by().values("pk"))
        is_open = chosen.filter(state=IdentityConflict.State.OPEN)
        n_open = is_open.count()
        if "apply" in request.POST:
            note = request.POST.get("note", "").strip()
            n = dismiss_conflicts(chosen, note=note, user=signed_in(request), now=timezone.now())
            said = ngettext("%(n)s conflict was dismissed.", "%(n)s conflicts were dismissed.", n) % {"n": f"{n:,}"}
            messages.success(request, said)
            if left := is_open.count():
                text = ngettext("%(n)s is left: do it again.", "%(n)s are left: do it again.", left)
                messages.warning(request, text % {"n": f"{left:,}"})
            return None
        context = {
            **self.admin_site.each_context(request),
            **asked_again(request),
            "title": gettext("Dismiss conflicts"),
            "opts": self.opts,
            "n_open": n_open,
            "n_others": chosen.count() - n_open,
            "at_once": MAX_DISMISSED if n_open > MAX_DISMISSED else 0,
            "max_note": MAX_NOTE,
            "back": request.get_full_path(),
        }
        return TemplateResponse(request, "profiles/conflicts_dismiss.html", context)

    # --- The list ---

    @display(description=_("kept"))
    def kept(self, conflict: Any) -> str:
        return identifier_text(conflict.anchor, conflict.viewer)

    @display(description=_("left out"))
    def kept_apart(self, conflict: Any) -> str:
        return identifier_text(conflict.left_out, conflict.viewer)

    @display(description=_("profile of the kept"))
    def kept_profile(self, conflict: Any) -> SafeString:
        return person_link(conflict.anchor.profile, conflict.viewer)

    @display(description=_("profile of the left out"))
    def kept_apart_profile(self, conflict: Any) -> SafeString:
        return person_link(conflict.left_out.profile, conflict.viewer)

    @display(description=_("state"))
    def status(self, conflict: IdentityConflict) -> SafeString:
        if conflict.state == IdentityConflict.State.OPEN and is_moot(conflict):
            return badge(gettext("One person by now"), "success")
        return badge(conflict.get_state_display(), STATE_KINDS[IdentityConflict.State(conflict.state)])

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Both sides, why they were kept apart, and what can be done."""
        conflict = self.get_object(request, object_id)
        if conflict is None or not self.has_view_permission(request, conflict):
            raise Http404
        sides = [
            (_("Kept"), conflict.anchor, _("The message was taken for this person.")),
            (_("Left out"), conflict.left_out, left_out_text(conflict)),
        ]
        n_open = open_by_identifier([conflict.anchor_id, conflict.left_out_id])
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Identity conflict"),
            "opts": self.opts,
            "original": conflict,
            "conflict": conflict,
            "note": conflict.note if may_see_pii(signed_in(request)) else MASK,  # free text may name anybody
            "status": self.status(conflict),
            "why": why(conflict),
            "is_moot": is_moot(conflict),
            "sides": [
                (
                    title,
                    identifier_text(identifier, request.user),
                    person_link(identifier.profile, request.user),
                    text,
                    n_open.get(identifier.pk, 0),
                    list_url(identifier),
                )
                for title, identifier, text in sides
            ],
            "may_decide": has_perm(request, MAY_MERGE),
            "merge_url": merge_url([conflict.anchor.profile_id, conflict.left_out.profile_id]),
        }
        return TemplateResponse(request, "profiles/conflict.html", context)

    def dismiss_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Nothing is to be done."""

        def dismiss(conflict: IdentityConflict) -> str:
            note = request.POST.get("note", "").strip()
            dismiss_conflict(conflict, note=note, user=signed_in(request), now=timezone.now())
            return gettext("Dismissed. It can be opened again at any time.")

        return self.decide(request, pk, dismiss)

    def move_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The identifier that was left out is of the other person: what that would make; POST moves it."""
        if not has_perm(request, MAY_MERGE):
            return HttpResponse(status=403)

        def move(conflict: IdentityConflict) -> str:
            settle_by_move(conflict, user=signed_in(request), now=timezone.now())
            return gettext("Moved. A separation keeps it from the person it came from.")

        if request.method == "POST":
            return self.decide(request, pk, move)
        related = IdentityConflict.objects.select_related("anchor__profile", "left_out__profile", "left_out__kind")
        conflict = get_object_or_404(related, pk=pk)
        sides = [conflict.left_out.profile_id, conflict.anchor.profile_id]
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Move %(identifier)s") % {"identifier": identifier_text(conflict.left_out, request.user)},
            "opts": self.opts,
            "conflict": conflict,
        }
        try:
            tried = preview(sides, lambda: both_after(conflict, sides[0], signed_in(request)))
        except PreviewUnavailable as error:
            return TemplateResponse(request, "profiles/conflict_move.html", {**context, "trouble": str(error)})
        if tried.refused is not None:
            context["trouble"] = error_text(tried.refused, request)
        else:
            notes = [gettext("Without it"), gettext("With it")]
            context["comparison"] = compare(tried, request.user, after_notes=notes[-len(tried.after) :])
        return TemplateResponse(request, "profiles/conflict_move.html", context)

    def reopen_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """It is to be looked at again."""

        def reopen(conflict: IdentityConflict) -> str:
            reopen_conflict(conflict, user=signed_in(request), now=timezone.now())
            return gettext("Open again.")

        return self.decide(request, pk, reopen)

    def decide(self, request: HttpRequest, pk: int, decision: Callable[[IdentityConflict], str]) -> HttpResponse:
        """Carry out one decision, and go back to the conflict with what became of it; where it is gone, to the list."""
        if request.method != "POST" or not has_perm(request, MAY_MERGE):
            return HttpResponse(status=405 if request.method != "POST" else 403)
        try:
            conflict = IdentityConflict.objects.filter(pk=pk).first()
            if conflict is None:
                raise gone()
            messages.success(request, decision(conflict))
        except IdentityError as error:
            messages.error(request, error_text(error, request))
        if not IdentityConflict.objects.filter(pk=pk).exists():
            return HttpResponseRedirect(reverse("admin:profiles_identityconflict_changelist"))
        return HttpResponseRedirect(reverse("admin:profiles_identityconflict_change", args=[pk]))


def both_after(conflict: IdentityConflict, owner_id: int, user: User) -> list[int]:
    """Move what was left out, and return the ids of its owner, where anything else was theirs, and of whom has it."""
    person = settle_by_move(conflict, user=user, now=timezone.now())
    owner = Profile.objects.current().filter(pk=owner_id).values_list("pk", flat=True)
    return [*owner, person.pk]


def is_moot(conflict: IdentityConflict) -> bool:
    """Whether a merge has brought the two together since."""
    return conflict.anchor.profile_id == conflict.left_out.profile_id


def left_out_text(conflict: IdentityConflict) -> str:
    """Whose it is that was left out."""
    if is_moot(conflict):
        return gettext("The message named it too; by now it is of the same person.")
    return gettext("The message named it too; it stays with this person.")


def why(conflict: IdentityConflict) -> str:
    """The reason in a sentence."""
    if conflict.kind is None:
        return gettext("They were taken apart by hand, and stay apart until somebody lifts the separation.")
    kind = gettext(conflict.kind.label)
    if conflict.kind.limit_per_profile is None:
        return gettext("Together they would have had more of %(kind)s than was allowed at the time.") % {"kind": kind}
    text = gettext("Together they would have more of %(kind)s than one person may have (%(limit)d).")
    return text % {"kind": kind, "limit": conflict.kind.limit_per_profile}
