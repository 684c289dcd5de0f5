"""Merging people by hand: choose, see what will be, confirm. Every step is a page of its own that needs no script."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext

from cdp.admin.base import has_perm, signed_in
from cdp.disclosure import may_see_pii
from cdp.ids import is_id
from profiles.admin.comparison import compare
from profiles.admin.identity import error_text, identifier_text
from profiles.admin.names import display_name
from profiles.admin.pairs import rejected_between
from profiles.admin.search import find_people
from profiles.identity.errors import IdentityError
from profiles.models import Identifier, Profile
from profiles.services.identity import merge_profiles
from profiles.services.identity.preview import PreviewUnavailable, preview_merge

MAY_MERGE = "profiles.merge_profile"
MAX_AT_ONCE = 5  # people that fit side by side
MAX_FOUND = 20
N_IDENTIFIERS = 3


def merge_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """`?id=1&id=2` are the chosen people, `q` looks for one more; POST merges them."""
    if not has_perm(request, MAY_MERGE):
        return HttpResponse(status=403)
    given = request.POST if request.method == "POST" else request.GET
    chosen = people_of(given.getlist("id"))
    if request.method == "POST":
        return merge(request, chosen)
    return TemplateResponse(request, "profiles/merge.html", {**context, **merge_context(request, chosen)})


def people_of(ids: list[str]) -> list[Profile]:
    """The people behind ids of profiles, each once, in the order chosen; merged-away ones lead to their survivors."""
    wanted = [int(pk) for pk in ids if is_id(pk)]
    found = Profile.objects.select_related("merged_into").in_bulk(wanted)
    people = {(survivor := found[pk].merged_into or found[pk]).pk: survivor for pk in wanted if pk in found}
    return list(people.values())[:MAX_AT_ONCE]


def merge(request: HttpRequest, chosen: list[Profile]) -> HttpResponse:
    """Merge the chosen, and show the survivor with a way back."""
    try:
        survivor = merge_profiles([each.pk for each in chosen], user=signed_in(request), now=timezone.now())
    except IdentityError as error:
        messages.error(request, error_text(error, request))
        return HttpResponseRedirect(merge_url(each.pk for each in chosen))
    page = reverse("admin:profiles_profile_change", args=[survivor.pk])
    text = gettext("Merged. Tags, segments and tiers by rule follow in a moment.")
    undo = gettext("The history shows it, and can undo it.")
    messages.success(request, format_html('{} <a class="st-link" href="{}#history">{}</a>', text, page, undo))
    return HttpResponseRedirect(page)


def merge_url(profile_ids: Any) -> str:
    query = "&".join(f"id={pk}" for pk in profile_ids)
    return f"{reverse('admin:profiles_profile_merge')}?{query}"


def merge_context(request: HttpRequest, chosen: list[Profile]) -> dict[str, Any]:
    """The chosen side by side with what they would be together, or why not; and whom a search finds to add."""
    viewer = signed_in(request)
    term = request.GET.get("q", "").strip()
    found = find_more(request, term, chosen) if term else []
    ids = [each.pk for each in chosen]
    context: dict[str, Any] = {
        "title": gettext("Merge profiles"),
        "chosen": [(each, display_name(each, viewer), merge_url(pk for pk in ids if pk != each.pk)) for each in chosen],
        "q": term,
        "found": [
            (display_name(each, viewer), first_identifiers(each, viewer), each.last_seen_at, merge_url([*ids, each.pk]))
            for each in found
        ],
        "is_full": len(chosen) >= MAX_AT_ONCE,
        "search_hint": may_see_pii(viewer),
    }
    if len(chosen) > 1:
        try:
            tried = preview_merge(ids, user=viewer, now=timezone.now())
        except PreviewUnavailable as error:
            return {**context, "trouble": str(error)}
        context["comparison"] = compare(tried, viewer, after_notes=[gettext("Together")])
        context["rejected"] = rejected_between(ids, viewer)
        context["refused"] = error_text(tried.refused, request) if tried.refused else ""
    return context


def find_more(request: HttpRequest, term: str, chosen: list[Profile]) -> list[Profile]:
    """Whom the list of profiles would find, without those who are chosen already."""
    rest = Profile.objects.current().seen().exclude(pk__in=[each.pk for each in chosen])
    if ids := find_people(request, term):
        return list(rest.filter(pk__in=ids)[:MAX_FOUND])
    return list(rest.named(term).order_by("pk")[:MAX_FOUND]) if may_see_pii(signed_in(request)) else []


def first_identifiers(profile: Profile, viewer: Any) -> list[str]:
    found = Identifier.objects.filter(profile=profile).select_related("kind").order_by("kind__priority", "pk")
    return [identifier_text(identifier, viewer) for identifier in found[:N_IDENTIFIERS]]
