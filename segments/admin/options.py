"""Segments to choose from while one types, for the selects of several pages."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.utils.http import urlencode

from cdp.admin.base import has_perm
from cdp.admin.searched import options_page
from cdp.keys import is_called
from segments.models import Segment

BY_KEY, BY_ID = "key", "pk"


def options_url(by: str, **given: str) -> str:
    """Where a select asks for segments `by` their keys or ids; of a `kind`, without `but`, which is a key."""
    return f"{reverse('admin:segments_segment_options')}?{urlencode({'by': by, **given})}"


def options_view(request: HttpRequest) -> JsonResponse:
    """Those in use whose name or key has what was typed, with their sizes."""
    if not has_perm(request, "segments.view_segment"):
        raise PermissionDenied
    kind = request.GET.get("kind", "")

    def find(term: str) -> list[QuerySet[Segment]]:
        found = Segment.objects.current().filter(is_called(term))
        found = found.exclude(key=request.GET.get("but", ""))
        return [(found.filter(kind=kind) if kind else found).order_by("name", "key")]

    by_key = request.GET.get("by") == BY_KEY
    return options_page(request, find, lambda segment: (segment.key if by_key else str(segment.pk), label(segment)))


def label(segment: Segment) -> str:
    return f"{segment.name} ({segment.n_members:,})"
