"""What keeps people apart: the list of all separations, and lifting them once it was shown what that is."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from cdp.admin.base import ReadOnlyAdmin, account, display, has_perm, signed_in
from cdp.disclosure import may_see_pii
from cdp.ids import is_id
from profiles.admin.holders import badge
from profiles.admin.identity import identifier_text, person_link
from profiles.admin.merging import MAY_MERGE
from profiles.admin.people import asked_again
from profiles.models import Profile, Separation
from profiles.models.split import SeparationQuerySet
from profiles.services.identity import lift_separations
from profiles.services.search import find_identifiers

MAX_SHOWN = 20  # pairs that are named before they are lifted
SIDES = ("left__kind", "left__profile", "right__kind", "right__profile")
IN_FORCE, LIFTED, EVERY_STATE = "in_force", "lifted", "all"


class StateFilter(DropdownFilter):  # type: ignore[misc]
    """Those that bind, unless another state is chosen."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(IN_FORCE, _("In force")), (LIFTED, _("Lifted")), (EVERY_STATE, _("All"))]

    def queryset(self, request: HttpRequest, queryset: SeparationQuerySet) -> SeparationQuerySet:
        value = self.value() or IN_FORCE
        if value == EVERY_STATE:
            return queryset
        return queryset.filter(lifted_at__isnull=value != LIFTED)


@admin.register(Separation)
class SeparationAdmin(ReadOnlyAdmin):
    """Pairs of identifiers that splits and undone merges keep apart, newest first."""

    empty_text = _(
        "Nothing is kept apart. A split or the undo of a merge writes here what is not to come together again."
    )
    list_display = ("separated_at", "one", "one_profile", "other", "other_profile", "by", "status")
    list_display_links = None
    list_filter = (StateFilter,)
    list_select_related = (*SIDES, "split__split_by", "lifted_by")
    fields = ("separated_at", "one", "one_profile", "other", "other_profile", "by", "status")
    actions = ("lift_chosen",)
    search_fields = ("id",)  # shows the search box; get_search_results decides what it finds
    search_help_text = _("An identifier, such as a device id")
    ordering = ("-id",)
    sortable_by = ()

    def get_search_results(
        self, request: HttpRequest, queryset: SeparationQuerySet, search_term: str
    ) -> tuple[SeparationQuerySet, bool]:
        """Those of an identifier, whichever side it is; only for who may see it."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if not may_see_pii(signed_in(request)):
            text = gettext("Only those who may see personal data find separations by their identifiers.")
            messages.warning(request, text)
            return queryset.none(), False
        return queryset.naming(find_identifiers(term)), False

    def has_merge_permission(self, request: HttpRequest) -> bool:
        return has_perm(request, MAY_MERGE)

    @admin.action(description=_("Lift the chosen…"), permissions=["merge"])
    def lift_chosen(self, request: HttpRequest, chosen: SeparationQuerySet) -> HttpResponse | None:
        """Ask first; then lift those of them that are in force."""
        found = Separation.objects.filter(pk__in=chosen.order_by().values("pk"))
        if "apply" in request.POST:
            lift(request, found)
            return None
        context = {**self.admin_site.each_context(request), **asked_again(request), "opts": self.opts}
        return ask_to_lift(request, found, {**context, "back": request.get_full_path()})

    @display(description=_("one identifier"))
    def one(self, separation: Any) -> str:
        return identifier_text(separation.left, separation.viewer)

    @display(description=_("other identifier"))
    def other(self, separation: Any) -> str:
        return identifier_text(separation.right, separation.viewer)

    @display(description=_("one profile"))
    def one_profile(self, separation: Any) -> SafeString:
        return person_link(separation.left.profile, separation.viewer)

    @display(description=_("other profile"))
    def other_profile(self, separation: Any) -> SafeString:
        return person_link(separation.right.profile, separation.viewer)

    @display(description=_("split by"))
    def by(self, separation: Any) -> SafeString | str:
        return account(separation.split.split_by, separation.viewer)

    @display(description=_("state"))
    def status(self, separation: Separation) -> SafeString:
        if separation.lifted_at is None:
            return badge(gettext("In force"), "warning")
        who, at = separation.lifted_by or "-", f"{localtime(separation.lifted_at):%Y-%m-%d %H:%M}"
        lifted = badge(gettext("Lifted"), "default")
        return format_html('{} <span class="st-quiet st-nowrap">{}, {}</span>', lifted, who, at)


def lift_page(request: HttpRequest, profile: Profile, context: dict[str, Any]) -> HttpResponse:
    """One separation (`separation`), or all that a split wrote (`split`): what would be lifted; POST lifts it."""
    if not has_perm(request, MAY_MERGE):
        return HttpResponse(status=403)
    given = request.POST if request.method == "POST" else request.GET
    by = "separation" if "separation" in given else "split"
    pk = given.get(by, "")
    found = Separation.objects.filter(**{"pk" if by == "separation" else "split": int(pk) if is_id(pk) else 0})
    if not found.exists():
        raise Http404
    back = reverse("admin:profiles_profile_change", args=[profile.pk]) + "#separations"
    if request.method == "POST":
        lift(request, found)
        return HttpResponseRedirect(back)
    return ask_to_lift(request, found, {**context, "profile": profile, "named": (by, pk), "back": back})


def ask_to_lift(request: HttpRequest, found: SeparationQuerySet, context: dict[str, Any]) -> HttpResponse:
    """How many would be lifted, the first of them, and what follows."""
    binding = found.in_force()
    first = binding.select_related(*SIDES).order_by("pk")[:MAX_SHOWN]
    pairs = [[(identifier_text(each, request.user), person_link(each.profile, request.user))
              for each in (separation.left, separation.right)] for separation in first]  # fmt: skip
    n = binding.count()
    context |= {"title": gettext("Lift separations"), "pairs": pairs, "n_binding": n, "n_more": n - len(pairs)}
    return TemplateResponse(request, "profiles/lift.html", context)


def lift(request: HttpRequest, found: SeparationQuerySet) -> None:
    """Lift them, and say how many were; somebody else may have been faster."""
    n = lift_separations(found, user=signed_in(request), now=timezone.now())
    if not n:
        messages.warning(request, gettext("Nothing was lifted: none of these is in force any more."))
        return
    text = ngettext(
        "Lifted %(n)s separation. A message that names both will bring them together.",
        "Lifted %(n)s separations. A message that names both sides will bring them together.",
        n,
    )
    messages.success(request, text % {"n": f"{n:,}"})
