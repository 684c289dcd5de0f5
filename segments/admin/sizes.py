"""The page of a segment's size: by day, as a chart and as a table."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.translation import gettext

from cdp.admin.by_day import chart_context, period_of
from cdp.by_day import sizes_by_day
from cdp.rules.days import business_day
from segments.models import Segment, SegmentDay, SizeAlert


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
        n_days = period_of(request)
        rows = SegmentDay.objects.filter(segment=segment)
        today = business_day(timezone.now())
        days = sizes_by_day(rows, until=today, n_days=n_days)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{segment.name} · {gettext('Size')}",
            "opts": self.opts,
            "original": segment,
            "segment": segment,
            "days": days[::-1],
            "today": today,
            **chart_context({gettext("Members"): days}, n_days=n_days),
            "alerts": SizeAlert.objects.filter(segment=segment).order_by("-day")[:20],
        }
        return TemplateResponse(request, "segments/sizes.html", context)
