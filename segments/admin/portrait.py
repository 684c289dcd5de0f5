"""The page of a segment's portrait: several dimensions side by side, each number a link to its people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.translation import gettext

from profiles.admin.by_rule import people_url
from profiles.dimensions import HiddenDimension, UnknownDimension, dimension_kinds, find_dimension
from profiles.masking import Masking, masking_for
from profiles.services.preview import PreviewTimeout
from segments.models import Segment
from segments.services.portrait import MISSING, OTHER, Breakdown, Bucket, break_down

MOST_DIMENSIONS = 6
N_FIRST = 4  # dimensions that a portrait begins with
BY_COUNT, BY_INDEX = "count", "tgi"
MAX_SEGMENTS = 500


class PortraitPages:
    """Mixed into the admin of segments."""

    admin_site: Any
    opts: Any

    def portrait_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.portrait_view)
        return [path("<int:segment_id>/portrait/", view, name="segments_segment_portrait")]

    def portrait_view(self: Any, request: HttpRequest, segment_id: int) -> HttpResponse:
        """What is chosen stands in the address: `by` (several), `compare`, `people`, `sort`."""
        segment = get_object_or_404(Segment, pk=segment_id)
        if not self.has_view_permission(request, segment) or not request.user.has_perm("profiles.view_profile"):
            raise PermissionDenied
        masking = masking_for(request.user)
        offered = [(kind, kind.offer(masking)) for kind in dimension_kinds()]
        others = Segment.objects.current().exclude(pk=segment.pk).order_by("name")[:MAX_SEGMENTS]
        compared = Segment.objects.filter(key=request.GET.get("compare", "")).exclude(pk=segment.pk).first()
        first = [f"{kind.key}:{each.name}" for kind, choices in offered for each in choices if each.is_first]
        chosen = list(dict.fromkeys(filter(None, request.GET.getlist("by"))))[:MOST_DIMENSIONS] or first[:N_FIRST]
        sort = BY_INDEX if request.GET.get("sort") == BY_INDEX else BY_COUNT
        is_known_only = request.GET.get("people") == "known"
        options = {"compared": compared, "is_known_only": is_known_only, "now": timezone.now()}
        context = {
            **self.admin_site.each_context(request),
            "title": f"{segment.name} · {gettext('Portrait')}",
            "opts": self.opts,
            "original": segment,
            "segment": segment,
            "compared": compared,
            "is_known_only": is_known_only,
            "sort": sort,
            "others": others,
            "kinds": [(kind.label, [(f"{kind.key}:{each.name}", each.label) for each in c]) for kind, c in offered],
            "slots": [*chosen, *[""] * (MOST_DIMENSIONS - len(chosen))],
            "cards": [card(segment, by, masking, sort, options) for by in chosen],
        }
        return TemplateResponse(request, "segments/portrait.html", context)


def card(segment: Segment, by: str, masking: Masking, sort: str, options: dict[str, Any]) -> dict[str, Any]:
    """One dimension, or why it cannot be shown."""
    try:
        found = break_down(segment, find_dimension(by, masking), **options)
    except (UnknownDimension, HiddenDimension, PreviewTimeout) as error:
        return {"label": by, "problem": str(error)}
    columns = ["inside", *(["compared"] if found.compared else []), "everybody"]
    rows = [row(found, bucket, columns) for bucket in sorted_buckets(found, sort)]
    return {"label": found.dimension.label, "rows": rows, "total": row(found, None, columns)}


def sorted_buckets(found: Breakdown, sort: str) -> Sequence[Bucket]:
    """As they are, the most frequent or in their own order; or by index, the others and the missing last."""
    if sort == BY_COUNT:
        return found.buckets
    return sorted(
        found.buckets, key=lambda each: (each.kind in (OTHER, MISSING), -(found.index(each.counts, "inside") or 0))
    )


def row(found: Breakdown, bucket: Bucket | None, columns: Sequence[str]) -> dict[str, Any]:
    """A line of the table; without a bucket, of all."""
    counts = bucket.counts if bucket else found.total
    return {
        "label": bucket.label if bucket else gettext("All"),
        "is_rest": bucket is not None and bucket.kind in (OTHER, MISSING),
        "cells": [
            {
                "n": getattr(counts, of),
                "percent": found.percent(counts, of),
                "url": link(found, bucket, of) if getattr(counts, of) else "",
                "index": found.index(counts, of) if bucket and of != "everybody" else None,
                "has_index": of != "everybody",
            }
            for of in columns
        ],
    }


def link(found: Breakdown, bucket: Bucket | None, of: str) -> str:
    rule = found.people(bucket, of)
    return people_url(rule) if rule is not None else ""
