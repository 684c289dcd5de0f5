"""Numbers as people read them here."""

from __future__ import annotations

from datetime import timedelta

from django import template
from django.utils.translation import ngettext

register = template.Library()


@register.filter
def grouped(value: float | None) -> str:
    """Thousands apart, in Chinese too: Django's own format would set them apart by four digits there."""
    return "-" if value is None else f"{value:,}"


@register.filter
def span(value: timedelta) -> str:
    """A length of time in the greatest unit that it fills: 3 minutes, 2 days."""
    seconds = int(value.total_seconds())
    if seconds < 60:
        return ngettext("%(n)d second", "%(n)d seconds", seconds) % {"n": seconds}
    if seconds < 3600:
        return ngettext("%(n)d minute", "%(n)d minutes", seconds // 60) % {"n": seconds // 60}
    if seconds < 2 * 86_400:
        return ngettext("%(n)d hour", "%(n)d hours", seconds // 3600) % {"n": seconds // 3600}
    return ngettext("%(n)d day", "%(n)d days", seconds // 86_400) % {"n": seconds // 86_400}
