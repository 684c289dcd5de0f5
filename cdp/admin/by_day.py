"""Pages of how something grows by day: the periods to choose from, and the chart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from django.http import HttpRequest

from cdp.by_day import DaySize

PERIODS = (30, 90, 365)
COLOURS = ("#2563eb", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6", "#06b6d4", "#ec4899", "#84cc16", "#64748b", "#a16207")


def period_of(request: HttpRequest) -> int:
    """The days that the address asks for, one of PERIODS."""
    asked = request.GET.get("days", "")
    return next((period for period in PERIODS if str(period) == asked), PERIODS[0])


class Opens(NamedTuple):
    """The address of who was there at the end of a day: `{day}` stands for the day; another one for `today`, if any."""

    on_day: str
    today: str = ""

    def address(self, day: date, *, today: date) -> str:
        return self.today if self.today and day == today else self.on_day.replace("{day}", day.isoformat())


def chart_context(
    lines: Mapping[str, Sequence[DaySize]], *, opens: Mapping[str, Opens], today: date, n_days: int
) -> dict[str, Any]:
    """For `cdp/day_chart.html`: the lines by their names, all of the same days, as Chart.js draws them; and what a
    point of each opens, as the number of the table does.
    """
    days = max(lines.values(), key=len, default=())
    datasets = [
        {
            "label": name,
            "data": [None] * (len(days) - len(sizes)) + [each.n_members for each in sizes],
            "borderColor": colour,
            "backgroundColor": colour,
            "pointRadius": 2 if n_days == PERIODS[0] else 0,
            "borderWidth": 2,
        }
        for (name, sizes), colour in zip(lines.items(), COLOURS * (len(lines) // len(COLOURS) + 1), strict=False)
    ]
    options = {
        "animation": False,
        "maintainAspectRatio": False,
        "interaction": {"mode": "nearest", "intersect": False},
        "plugins": {"legend": {"display": len(datasets) > 1}},
        "scales": {"x": {"grid": {"display": False}}, "y": {"beginAtZero": True, "ticks": {"precision": 0}}},
    }
    return {
        "n_days": n_days,
        "periods": PERIODS,
        "chart": json.dumps({"labels": [f"{each.day:%m-%d}" for each in days], "datasets": datasets}),
        "options": json.dumps(options),
        "chart_opens": json.dumps(
            [[opens[name].address(each.day, today=today) for each in days] for name in lines], ensure_ascii=False
        ),
    }
