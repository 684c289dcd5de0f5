"""The page of overlaps: how many people several segments share, as a heat map whose cells open them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.translation import gettext

from cdp.admin.searched import SearchedSelectMultiple
from profiles.people_urls import people_url
from segments.admin.options import BY_ID, label, options_url
from segments.models import Segment
from segments.services.overlap import MAX_SEGMENTS, Overlap, overlap_of


class OverlapPage:
    """Mixed into the admin of segments."""

    admin_site: Any
    opts: Any

    def overlap_urls(self) -> list[URLPattern]:
        return [path("overlap/", self.admin_site.admin_view(self.overlap_view), name="segments_segment_overlap")]

    def overlap_view(self: Any, request: HttpRequest) -> HttpResponse:
        """`?segment=` names two or more; without, the page asks which."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = {int(pk) for pk in request.GET.getlist("segment") if pk.isdecimal() and len(pk) < 19}
        chosen = list(Segment.objects.filter(pk__in=asked).order_by("-n_members", "name")[: MAX_SEGMENTS + 1])
        found = overlap_of(chosen) if 2 <= len(chosen) <= MAX_SEGMENTS else None
        labels = [(str(segment.pk), label(segment)) for segment in chosen]
        most = {"data-maximum-selection-length": MAX_SEGMENTS}
        widget = SearchedSelectMultiple(options_url(BY_ID), most, choices=labels)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Overlap of segments"),
            "opts": self.opts,
            "has_segments": bool(chosen) or Segment.objects.current().exists(),
            "chosen": widget.render("segment", [segment.pk for segment in chosen], {"multiple": True}),
            "max_segments": MAX_SEGMENTS,
            "is_too_many": len(chosen) > MAX_SEGMENTS,
            "is_too_few": bool(asked) and len(chosen) < 2,
            "overlap": found,
            "any_url": people_in_any(found) if found else "",
            "rows": heat(found) if found else [],
            "combinations": [
                {
                    "segments": segments,
                    "n": n,
                    "percent": n * 100 / found.of_any(),
                    "url": people_exactly_in(segments, found),
                }
                for segments, n in found.combinations()[:20]
            ]
            if found
            else [],
        }
        return TemplateResponse(request, "segments/overlap.html", context)


def people_in_any(overlap: Overlap) -> str:
    """No address where one of them is archived: no rule can name it."""
    if any(segment.archived_at for segment in overlap.segments):
        return ""
    return people_url({"any": [{"op": "segment", "key": segment.key} for segment in overlap.segments]})


def people_exactly_in(segments: Sequence[Segment], overlap: Overlap) -> str:
    parts = [f"{segment.pk}" if segment in segments else f"-{segment.pk}" for segment in overlap.segments]
    return f"{reverse('admin:profiles_profile_changelist')}?segment={','.join(parts)}"


def heat(overlap: Overlap) -> list[dict[str, Any]]:
    """Rows of the map: each cell is a share of the row's segment, and opens those who are in both."""
    people = reverse("admin:profiles_profile_changelist")
    rows = []
    for segment, counts in zip(overlap.segments, overlap.pairs(), strict=True):
        members = counts[overlap.segments.index(segment)]
        cells = [
            {
                "n": n,
                "percent": n * 100 / members if members else 0,
                "url": f"{people}?segment={segment.pk}" + ("" if other == segment else f",{other.pk}"),
                "is_self": other == segment,
                "title": segment.name if other == segment else f"{segment.name} ∩ {other.name}",
            }
            for other, n in zip(overlap.segments, counts, strict=True)
        ]
        rows.append({"segment": segment, "cells": cells})
    return rows
