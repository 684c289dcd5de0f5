"""Taking people apart in the admin: splitting identifiers off, undoing merges."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext

from cdp.admin.base import has_perm, signed_in
from cdp.ids import is_id
from profiles.admin.comparison import compare
from profiles.admin.identity import error_text, identifier_text
from profiles.admin.merging import MAY_MERGE
from profiles.admin.names import display_name
from profiles.identity.errors import IdentityError
from profiles.models import Identifier, Profile, ProfileMerge
from profiles.services.identity import (
    SplitPreview,
    preview_split,
    preview_undo,
    split_profile,
    undo_merge,
)
from profiles.services.identity.preview import PreviewUnavailable, preview

MAX_SHOWN = 500  # identifiers to tick


def split_page(request: HttpRequest, profile: Profile, context: dict[str, Any]) -> HttpResponse:
    """`?identifier=1&identifier=2` are ticked, `along` the rows by hand that go too; POST splits, unless a ticked
    identifier is not this person's: then it shows what is theirs now, since less than was previewed would go.
    """
    if not has_perm(request, MAY_MERGE):
        return HttpResponse(status=403)
    given = request.POST if request.method == "POST" else request.GET
    wanted = set(given.getlist("identifier"))
    ticked = identifiers_of(profile, wanted)
    n_gone = len(wanted) - len(ticked)
    along = given.getlist("along")

    def split() -> Profile:
        return split_profile(profile, ticked, user=signed_in(request), now=timezone.now(), along=along)

    if n_gone:
        text = ngettext(
            "Nothing was split off: %(n)d of the ticked identifiers is not of this person any more. The page shows "
            "what is theirs now.",
            "Nothing was split off: %(n)d of the ticked identifiers are not of this person any more. The page shows "
            "what is theirs now.",
            n_gone,
        )
        messages.error(request, text % {"n": n_gone})
    elif request.method == "POST":
        return part(request, profile, split, back=request.get_full_path())
    owned = Identifier.objects.filter(profile=profile).select_related("kind").order_by("kind__priority", "pk")
    # The ticked are all there, however many others: what is not on the page would not be split off.
    others = owned.exclude(pk__in=[identifier.pk for identifier in ticked])
    shown = [*ticked, *others[: max(MAX_SHOWN - len(ticked), 0)]]
    context |= {
        "title": gettext("Split %(name)s") % {"name": display_name(profile, request.user)},
        "profile": profile,
        "identifiers": [
            (identifier, identifier_text(identifier, request.user), identifier in ticked)
            for identifier in sorted(shown, key=lambda identifier: (identifier.kind.priority, identifier.pk))
        ],
        "n_identifiers": owned.count(),
        "button": gettext("Split off"),
        "along": along,
    }
    if ticked:
        context |= preview_context(request, profile, split, lambda: preview_split(profile, ticked))
    elif "preview" in request.GET and not n_gone:
        context |= {"trouble": gettext("Nothing is ticked. Tick the identifiers that belong to somebody else.")}
    return TemplateResponse(request, "profiles/part.html", context)


def undo_page(request: HttpRequest, merge_id: int, context: dict[str, Any]) -> HttpResponse:
    """What undoing a merge would do; POST undoes it."""
    if not has_perm(request, MAY_MERGE):
        return HttpResponse(status=403)
    found = ProfileMerge.objects.select_related("absorbed__merged_into", "survivor__merged_into")
    merge = get_object_or_404(found, pk=merge_id)
    # A split may have taken the absorbed along, away from the survivor.
    profile = merge.absorbed.merged_into or merge.survivor.merged_into or merge.survivor
    along = (request.POST if request.method == "POST" else request.GET).getlist("along")

    def undo() -> Profile:
        return undo_merge(merge, user=signed_in(request), now=timezone.now(), along=along)

    if request.method == "POST":
        return part(request, profile, undo, back=person_url(profile.pk))
    context |= {
        "title": gettext("Undo a merge of %(name)s") % {"name": display_name(profile, request.user)},
        "profile": profile,
        "merge": merge,
        "button": gettext("Undo the merge"),
        "along": along,
        **preview_context(request, profile, undo, lambda: preview_undo(merge)),
    }
    return TemplateResponse(request, "profiles/part.html", context)


def identifiers_of(profile: Profile, ids: Collection[str]) -> list[Identifier]:
    """Those of the person's identifiers that were ticked."""
    wanted = [int(pk) for pk in ids if is_id(pk)]
    return list(Identifier.objects.filter(profile=profile, pk__in=wanted).select_related("kind"))


def preview_context(
    request: HttpRequest, profile: Profile, change: Callable[[], Profile], look: Callable[[], SplitPreview]
) -> dict[str, Any]:
    """Before and after side by side, and the rows by hand that can go along; or why it cannot be done."""
    try:
        tried = preview([profile.pk], lambda: [profile.pk, change().pk])
    except PreviewUnavailable as error:
        return {"trouble": str(error)}
    if tried.refused is not None:
        return {"trouble": error_text(tried.refused, request)}
    hand_made = look().hand_made
    return {
        "comparison": compare(tried, request.user, after_notes=[gettext("Stays"), gettext("Goes")]),
        "hand_made": hand_made,
        "may_choose": any(not row.goes for row in hand_made),
    }


def part(request: HttpRequest, profile: Profile, change: Callable[[], Profile], *, back: str) -> HttpResponse:
    """Take apart, and show whom the rest belongs to, with a link to the other."""
    try:
        other = change()
    except IdentityError as error:
        messages.error(request, error_text(error, request))
        return HttpResponseRedirect(back)
    text = gettext("Taken apart; a separation keeps them so. The other person:")
    name = display_name(other, request.user)
    messages.success(request, format_html('{} <a class="st-link" href="{}">{}</a>', text, person_url(other.pk), name))
    return HttpResponseRedirect(person_url(profile.pk))


def person_url(profile_id: int) -> str:
    return reverse("admin:profiles_profile_change", args=[profile_id])
