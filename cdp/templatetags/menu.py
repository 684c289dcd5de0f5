"""The breadcrumb as the sidebar has it: one name and one place for one thing, whichever app it is of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import template
from django.http import HttpRequest

from cdp.unfold import NAVIGATION

register = template.Library()


@register.simple_tag
def menu_path(request: HttpRequest, parts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts of Unfold's breadcrumb with the group and the name of the sidebar in place of app and model.

    Pages that no item of the sidebar leads to keep theirs.
    """
    found = place_of(request.path)
    if found is None:
        return list(parts)
    group, item = found
    above = [] if group["title"] == item["title"] else [{"title": group["title"]}]
    return [*above, {"title": item["title"], "link": item["link"]}, *parts[2:]]


def place_of(path: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Group and item of the sidebar that a page is below; of several, the one of the longest address."""
    items = [
        (len(prefix), group, item)
        for group in NAVIGATION
        if "title" in group
        for item in group["items"]
        for prefix in map(str, (item["link"], *item.get("covers", ())))
        if path.startswith(prefix)
    ]
    if not items:
        return None
    _length, group, item = max(items, key=lambda each: each[0])
    return group, item
