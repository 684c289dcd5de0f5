"""Numbers as people read them here."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def grouped(value: float | None) -> str:
    """Thousands apart, in Chinese too: Django's own format would set them apart by four digits there."""
    return "-" if value is None else f"{value:,}"
