"""The page of a segment's size: by day, as a chart and as a table."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext

from cdp.admin.base import has_perm, signed_in
from cdp.admin.by_day import Opens, chart_context, period_of
from cdp.by_day import sizes_by_day
from cdp.rules.days import business_day
from segments.models import Segment, SegmentDay, SizeAlert
from segments.services.sizes import see_alert


class SizePages:
    """Mixed into the admin of segments."""

    admin_site: Any
    opts: Any

    def size_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:segment_id>/sizes/", wrap(self.sizes_view), name="segments_segment_sizes"),
            path("alert/<int:alert_id>/seen/", wrap(self.alert_seen_view), name="segments_alert_seen"),
        ]

    def alert_seen_view(self: Any, request: HttpRequest, alert_id: int) -> HttpResponse:
        """Somebody has seen to an alert; back to the page on which it stood."""
        if request.method != "POST":
            return HttpResponse(status=405)
        if not has_perm(request, "segments.change_segment"):
            raise PermissionDenied
        alert = get_object_or_404(SizeAlert, pk=alert_id)
        see_alert(alert, user=signed_in(request), now=timezone.now())
        back = request.POST.get("back", "")
        if not url_has_allowed_host_and_scheme(back, allowed_hosts=None):
            back = reverse("admin:segments_segment_sizes", args=[alert.segment_id])
        return HttpResponseRedirect(back)

    def sizes_view(self: Any, request: HttpRequest, segment_id: int) -> HttpResponse:
        """The last `days` days, the latest first in the table."""
        segment = get_object_or_404(Segment, pk=segment_id)
        if not self.has_view_permission(request, segment):
            raise PermissionDenied
        n_days = period_of(request)
        rows = SegmentDay.objects.filter(segment=segment)
        today = business_day(timezone.now())
        days = sizes_by_day(rows, until=today, n_days=n_days)
        members = reverse("admin:segments_segment_members", args=[segment.pk])
        opens = {gettext("Members"): Opens(f"{members}?as_of={{day}}T23:59:59.999999", today=members)}
        context = {
            **self.admin_site.each_context(request),
            "title": f"{segment.name} · {gettext('Size')}",
            "opts": self.opts,
            "original": segment,
            "segment": segment,
            "days": days[::-1],
            "today": today,
            **chart_context({gettext("Members"): days}, opens=opens, today=today, n_days=n_days),
            "alerts": SizeAlert.objects.filter(segment=segment).select_related("seen_by").order_by("-day")[:20],
        }
        return TemplateResponse(request, "segments/sizes.html", context)
