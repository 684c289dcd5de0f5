"""Times that people set, which may lie at the end of the calendar, where `date` alone fails east of Greenwich."""

from __future__ import annotations

from datetime import datetime

from django import template

from cdp.clocks import on_clocks

register = template.Library()


@register.filter(name="on_clocks")
def shown_on_clocks(moment: datetime) -> datetime:
    """For `date` to write: `{{ tag.expires_at|on_clocks|date:"Y-m-d" }}`."""
    return on_clocks(moment)
