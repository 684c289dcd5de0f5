"""Members by hand: putting people in, taking them out, and taking back what was done for many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from cdp.admin.base import has_perm, signed_in
from cdp.admin.runs import progress
from cdp.disclosure import may_see_pii
from profiles.models import IdentifierKind
from profiles.services.resolve import find_by_identifiers
from segments.models import BulkJoining, Segment
from segments.services import remove_members
from segments.services.joining import queue_joining, queue_taking_back

MAX_LINES = 10_000
MAX_NAMED = 10
N_SHOWN = 10


class ByHandPages:
    """Mixed into the admin of segments."""

    admin_site: Any
    members_view: Callable[..., HttpResponse]

    def by_hand_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:segment_id>/members/add/", wrap(self.add_members_view), name="segments_segment_add_members"),
            path(
                "<int:segment_id>/members/remove/",
                wrap(self.remove_members_view),
                name="segments_segment_remove_members",
            ),
            path("joining/<int:joining_id>/undo/", wrap(self.take_back_view), name="segments_joining_undo"),
        ]

    def add_members_view(self, request: HttpRequest, segment_id: int) -> HttpResponse:
        """Put people in by identifiers of one kind, one a line, by a run that can be taken back; those that nobody has
        come again in the form.
        """
        segment = self.by_hand_or_refused(request, segment_id, "segments.add_membership")
        if isinstance(segment, HttpResponse):
            return segment
        kind = get_object_or_404(IdentifierKind, key=request.POST.get("kind", ""))
        lines = list(dict.fromkeys(filter(None, map(str.strip, request.POST.get("identifiers", "").splitlines()))))
        if not lines or len(lines) > MAX_LINES:
            problem = gettext("Write one to %(n)s identifiers, one a line.") % {"n": f"{MAX_LINES:,}"}
            messages.error(request, problem)
            return self.members_view(request, segment_id, lines)
        found = find_by_identifiers([(kind.key, line) for line in lines])
        not_found = [line for line in lines if (kind.key, line) not in found]
        if not_found:
            named = ", ".join(not_found[:MAX_NAMED]) + (", …" if len(not_found) > MAX_NAMED else "")
            n = len(not_found)
            message = ngettext("Nobody has this identifier: %(named)s", "Nobody has these identifiers: %(named)s", n)
            messages.warning(request, message % {"named": named})
        if not found:
            return self.members_view(request, segment_id, not_found)
        words, user = gettext("a pasted list"), signed_in(request)
        joining = queue_joining(segment, found.values(), chosen_by=words, unknown=not_found, user=user)
        messages.success(request, being_put_in(len(joining.profile_ids), segment))
        again = urlencode({"kind": kind.key, "again": str(joining.pk)}) if not_found else ""
        return HttpResponseRedirect(put_in_page(segment_id, again))

    def remove_members_view(self, request: HttpRequest, segment_id: int) -> HttpResponse:
        """Take the people out that are ticked on the page of members."""
        segment = self.by_hand_or_refused(request, segment_id, "segments.delete_membership")
        if isinstance(segment, HttpResponse):
            return segment
        chosen = [int(pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME) if pk.isdecimal() and len(pk) < 19]
        if chosen:
            removed = remove_members(segment, chosen, now=timezone.now()).removed
            said = ngettext("Removed %(n)s person.", "Removed %(n)s people.", removed)
            messages.success(request, said % {"n": f"{removed:,}"})
        else:
            messages.warning(request, gettext("Tick whom to remove."))
        return HttpResponseRedirect(reverse("admin:segments_segment_members", args=[segment_id]))

    def by_hand_or_refused(self, request: HttpRequest, segment_id: int, permission: str) -> Segment | HttpResponse:
        if request.method != "POST":
            return HttpResponse(status=405)
        if not may_list(request, permission):
            return HttpResponse(status=403)
        return get_object_or_404(Segment.objects.current(), pk=segment_id, kind=Segment.Kind.STATIC)

    def take_back_view(self, request: HttpRequest, joining_id: int) -> HttpResponse:
        """Take out again whom one run put in."""
        if request.method != "POST":
            return HttpResponse(status=405)
        if not may_list(request, "segments.delete_membership"):
            return HttpResponse(status=403)
        joining = get_object_or_404(BulkJoining.objects.defer("profile_ids"), pk=joining_id)
        try:
            queue_taking_back(joining, user=signed_in(request))
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            messages.success(request, gettext("It is being taken back."))
        return HttpResponseRedirect(put_in_page(joining.segment_id))


def put_in_page(segment_id: int, query: str = "") -> str:
    """Where runs that put people in are seen at work, and taken back: below a long list of members."""
    page = reverse("admin:segments_segment_members", args=[segment_id])
    return f"{page}?{query}#add" if query else f"{page}#put-in"


def unknown_of(segment_id: int, joining_id: str) -> list[str]:
    """Whom a list named and nobody is, to be corrected; empty for what is no list of this segment."""
    if not joining_id.isdecimal() or len(joining_id) > 18:
        return []
    return BulkJoining.objects.filter(segment=segment_id, pk=joining_id).values_list("unknown", flat=True).first() or []


def put_in_by_runs(segment_id: int) -> list[tuple[BulkJoining, SafeString, SafeString | str]]:
    """The latest, each with the progress of its run, and of its taking back."""
    recent = BulkJoining.objects.filter(segment=segment_id).select_related("run__user", "undo_run")
    return [
        (each, progress(each.run), progress(each.undo_run) if each.undo_run else "")
        for each in recent.defer("profile_ids").order_by("-pk")[:N_SHOWN]
    ]


def may_list(request: HttpRequest, permission: str) -> bool:
    """Whoever puts in people by identifiers learns whose these are."""
    return has_perm(request, permission) and may_see_pii(request.user)


def being_put_in(n_people: int, segment: Segment) -> str:
    """What is said while the run is at work."""
    said = ngettext(
        "%(n)s person is being put into “%(segment)s”.", "%(n)s people are being put into “%(segment)s”.", n_people
    )
    return said % {"n": f"{n_people:,}", "segment": segment.name}
