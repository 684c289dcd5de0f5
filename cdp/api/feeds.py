"""Feeds of changes: what came after a change that the reader has seen, in commit order, without gaps."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.pagination import MAX_ID, page_size_of


def after_of(request: Request) -> int:
    """`?after=`: the id of the last change that was read; 0, the start, where it is absent."""
    text = request.query_params.get("after")
    if text is None:
        return 0
    if text.isascii() and text.isdigit() and len(text) <= 19 and int(text) < MAX_ID:
        return int(text)
    message = _("must be the id of a change, as `next_after` names it, not %r") % text
    raise exceptions.ValidationError({"after": [message]})


def feed_page(changes: QuerySet[Any, dict[str, Any]], request: Request) -> Response:
    """One page of `changes`, rows of `values()` with their `id`.

    `next_after` is where to go on: the last id of the page, or the given one where nothing came after it.
    """
    after = after_of(request)
    rows = list(changes.filter(id__gt=after).order_by("id")[: page_size_of(request)])
    return Response({"results": rows, "next_after": rows[-1]["id"] if rows else after})
