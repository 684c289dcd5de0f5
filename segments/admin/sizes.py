"""The page of a segment's size: by day, as a chart and as a table."""

from __future__ import annotations

import json
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

from cdp.rules.days import business_day
from segments.models import Segment, SizeAlert
from segments.services.sizes import DaySize, sizes_by_day

PERIODS = (30, 90, 365)
CHART_OPTIONS = {
    "animation": False,
    "maintainAspectRatio": False,
    "plugins": {"legend": {"display": False}},
    "scales": {"x": {"grid": {"display": False}}, "y": {"beginAtZero": True, "ticks": {"precision": 0}}},
}


class SizePages:
    """Mixed into the admin of segments."""

    admin_site: Any
    opts: Any

    def size_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.sizes_view)
        return [path("<int:segment_id>/sizes/", view, name="segments_segment_sizes")]

    def sizes_view(self: Any, request: HttpRequest, segment_id: int) -> HttpResponse:
        """The last `days` days, the latest first in the table."""
        segment = get_object_or_404(Segment, pk=segment_id)
        if not self.has_view_permission(request, segment):
            raise PermissionDenied
        asked = request.GET.get("days", "")
        n_days = next((period for period in PERIODS if str(period) == asked), PERIODS[0])
        days = sizes_by_day(segment.pk, until=business_day(timezone.now()), n_days=n_days)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{segment.name} · {gettext('Size')}",
            "opts": self.opts,
            "original": segment,
            "segment": segment,
            "days": days[::-1],
            "n_days": n_days,
            "periods": PERIODS,
            "chart": chart(days),
            "options": json.dumps(CHART_OPTIONS),
            "alerts": SizeAlert.objects.filter(segment=segment).order_by("-day")[:20],
        }
        return TemplateResponse(request, "segments/sizes.html", context)


def chart(days: Sequence[DaySize]) -> str:
    """A line for Chart.js."""
    line = {"label": gettext("Members"), "data": [each.n_members for each in days], "borderColor": "#2563eb"}
    return json.dumps(
        {
            "labels": [f"{each.day:%m-%d}" for each in days],
            "datasets": [{**line, "backgroundColor": "#2563eb", "pointRadius": 2, "borderWidth": 2}],
        }
    )
