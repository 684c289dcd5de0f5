"""The page of a segment's portrait: one card a dimension, each number a link to its people.

The page asks for its cards one after the other as they come into sight: each counts everybody once, so that a portrait
of twenty dimensions is read from its first while the last has not been asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from cdp.admin.searched import SearchedSelect
from profiles.dimensions import HiddenDimension, UnknownDimension, dimension_kinds, find_dimension
from profiles.masking import Masking, masking_for
from profiles.people_urls import people_url
from profiles.services.preview import PreviewTimeout
from segments.admin.options import BY_KEY, label, options_url
from segments.models import Segment
from segments.services.portrait import MISSING, OTHER, Breakdown, Bucket, break_down

MOST_DIMENSIONS = 20
N_FIRST = 4  # dimensions that a portrait begins with
BY_COUNT, BY_INDEX = "count", "tgi"


class PortraitPages:
    """Mixed into the admin of segments."""

    admin_site: Any
    opts: Any

    def portrait_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:segment_id>/portrait/", wrap(self.portrait_view), name="segments_segment_portrait"),
            path("<int:segment_id>/portrait/card/", wrap(self.portrait_card_view), name="segments_segment_card"),
        ]

    def portrait_view(self: Any, request: HttpRequest, segment_id: int) -> HttpResponse:
        """What is chosen stands in the address: `by` (several), `compare`, `people`, `sort`."""
        segment = self.segment_to_portray(request, segment_id)
        masking = masking_for(request.user)
        offered = [(kind, kind.offer(masking)) for kind in dimension_kinds()]
        asked = Asked.of(request, segment)
        first = [f"{kind.key}:{each.name}" for kind, choices in offered for each in choices if each.is_first]
        wanted = list(dict.fromkeys(filter(None, request.GET.getlist("by"))))
        chosen = wanted[:MOST_DIMENSIONS] or first[:N_FIRST]
        labels = {f"{kind.key}:{each.name}": each.label for kind, choices in offered for each in choices}
        card_page = reverse("admin:segments_segment_card", args=[segment.pk])
        context = {
            **self.admin_site.each_context(request),
            "title": f"{segment.name} · {gettext('Portrait')}",
            "opts": self.opts,
            "original": segment,
            "segment": segment,
            "asked": asked,
            "compare": asked.field(),
            "chosen": chosen,
            "is_too_many": len(wanted) > MOST_DIMENSIONS,
            "most": MOST_DIMENSIONS,
            "kinds": [(kind.label, [(f"{kind.key}:{each.name}", each.label) for each in c]) for kind, c in offered],
            "cards": [(labels.get(by, by), f"{card_page}?{asked.query(by)}") for by in chosen],
        }
        return TemplateResponse(request, "segments/portrait.html", context)

    def portrait_card_view(self: Any, request: HttpRequest, segment_id: int) -> HttpResponse:
        """The card of one dimension, for htmx."""
        segment = self.segment_to_portray(request, segment_id)
        asked, by = Asked.of(request, segment), request.GET.get("by", "")
        context = {
            "segment": segment,
            "asked": asked,
            "card": card(segment, by, masking_for(request.user), asked),
            "url": f"{request.path}?{asked.query(by)}",
        }
        return TemplateResponse(request, "segments/portrait_card.html", context)

    def segment_to_portray(self: Any, request: HttpRequest, segment_id: int) -> Segment:
        segment = get_object_or_404(Segment, pk=segment_id)
        if not self.has_view_permission(request, segment) or not request.user.has_perm("profiles.view_profile"):
            raise PermissionDenied
        return segment


@dataclass(frozen=True)
class Asked:
    """What the address asks for beside the dimensions."""

    segment: Segment
    compared: Segment | None
    is_known_only: bool
    sort: str

    @classmethod
    def of(cls, request: HttpRequest, segment: Segment) -> Self:
        given = request.GET
        compared = Segment.objects.filter(key=given.get("compare", "")).exclude(pk=segment.pk).first()
        return cls(
            segment, compared, given.get("people") == "known", BY_INDEX if given.get("sort") == BY_INDEX else BY_COUNT
        )

    def field(self) -> SafeString:
        """The select of the segment that is compared."""
        chosen = [(self.compared.key, label(self.compared))] if self.compared else []
        select = SearchedSelect(options_url(BY_KEY, but=self.segment.key), choices=chosen)
        return select.render("compare", chosen[0][0] if chosen else "")

    def query(self, by: str) -> str:
        """The same for one dimension, as the query of an address."""
        people = "known" if self.is_known_only else "all"
        return urlencode(
            {"by": by, "compare": self.compared.key if self.compared else "", "people": people, "sort": self.sort}
        )


def card(segment: Segment, by: str, masking: Masking, asked: Asked) -> dict[str, Any]:
    """One dimension, or why it cannot be shown."""
    label = by
    try:
        dimension = find_dimension(by, masking)
        label = dimension.label
        found = break_down(
            segment, dimension, compared=asked.compared, is_known_only=asked.is_known_only, now=timezone.now()
        )
    except PreviewTimeout as error:
        return {"label": label, "problem": str(error), "may_retry": True}
    except (UnknownDimension, HiddenDimension) as error:
        return {"label": label, "problem": str(error)}
    columns = ["inside", *(["compared"] if found.compared else []), "everybody"]
    rows = [row(found, bucket, columns) for bucket in sorted_buckets(found, asked.sort)]
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
    if bucket is None and of == "everybody" and not found.is_known_only:
        return reverse("admin:profiles_profile_changelist")
    rule = found.people(bucket, of)
    return people_url(rule) if rule is not None else ""
