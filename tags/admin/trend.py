"""The page of how many people carry a tag, and each of its values, by day."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from cdp.admin.base import has_perm
from cdp.admin.by_day import Opens, chart_context, period_of
from cdp.rules.days import business_day
from tags.models import Tag
from tags.services.days import Trend, trend_of


def trend_view(request: HttpRequest, tag_id: int, context: dict[str, Any]) -> HttpResponse:
    """The last `days` days, the latest first in the table."""
    tag = get_object_or_404(Tag.objects.prefetch_related("values"), pk=tag_id)
    if not has_perm(request, "tags.view_tagassignment"):
        raise PermissionDenied
    n_days, today = period_of(request), business_day(timezone.now())
    trend = trend_of(tag, until=today, n_days=n_days)
    names = {value.key: value.name for value in tag.values.all()}
    lines = {gettext("All"): trend.whole} | {names.get(key, key): days for key, days in trend.values.items()}
    rows = table(trend)
    has_bare = bool(trend.values) and any(row["n_bare"] for row in rows)
    rest = gettext("Others") if trend.n_left_out else gettext("Without a value")
    people = f"{reverse('admin:profiles_profile_changelist')}?tagged_on={tag.pk}"
    opens = {gettext("All"): Opens(f"{people}@{{day}}")}
    opens |= {names.get(key, key): Opens(f"{people}:{quote(key)}@{{day}}") for key in trend.values}
    further = {
        "title": f"{tag.name} · {gettext('Carriers by day')}",
        "original": tag,
        "tag": tag,
        "names": [*(names.get(key, key) for key in trend.values), *([rest] if has_bare else [])],
        "n_shown": len(trend.values) if trend.n_left_out else 0,
        "n_values": len(names),
        "rows": rows,
        "has_bare": has_bare,
        **chart_context(lines, opens=opens, today=today, n_days=n_days),
    }
    return TemplateResponse(request, "tags/trend.html", {**context, **further})


def table(trend: Trend) -> list[dict[str, Any]]:
    """The latest day first, each with the numbers of the values by their keys, and of those who carry none."""
    by_day = [{each.day: each.n_members for each in days} for days in trend.values.values()]
    rows = []
    for each in reversed(trend.whole):
        values = [(key, sizes.get(each.day, 0)) for key, sizes in zip(trend.values, by_day, strict=True)]
        rows.append({"day": each, "values": values, "n_bare": each.n_members - sum(n for _key, n in values)})
    return rows
