"""Feeds of changes: what came after a change that the reader has seen, in commit order, without gaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, inline_serializer
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.pagination import MAX_ID, page_size_of
from cdp.api.problems import Gone
from cdp.feeds import Feed


def after_of(request: Request) -> int:
    """`?after=`: the id of the last change that was read."""
    text = request.query_params["after"]
    if text.isascii() and text.isdigit() and len(text) <= 19 and int(text) < MAX_ID:
        return int(text)
    message = _("must be the id of a change, as `next_after` names it, not %r") % text
    raise exceptions.ValidationError({"after": [message]})


def feed_page(feed: Feed, request: Request, *, of: Mapping[str, int] | None = None) -> Response:
    """One page of the feed, `of` one subject, {field: its id}, or of all.

    `next_after` is where to go on: the last id of the page, or the given one where nothing came after it.

    Raises Gone where changes after the given one were deleted. That is asked after the rows, lest they go in between.
    """
    after = after_of(request) if "after" in request.query_params else feed.start_after()
    changes = feed.rows().filter(**of or {}, id__gt=after).order_by("id")
    rows = list(changes[: page_size_of(request)])
    if after < (start := feed.start_after()):
        message = _("Changes up to %(start)d are no longer kept. Read who is in now, then go on with after=%(start)d.")
        raise Gone(message % {"start": start}, members={"next_after": start})
    shown = [feed.show(row, with_subject=not of) for row in rows]
    return Response({"results": shown, "next_after": rows[-1]["id"] if rows else after})


FEED_QUERY = ("after", "page_size")
FEED_PARAMETERS = [
    OpenApiParameter(
        "after", int, description="`next_after` of the page before; absent: from the oldest change that is kept."
    ),
    OpenApiParameter("page_size", int, description="1 to 1000; 100 where it is absent."),
]


def feed_schema(name: str, change: serializers.Serializer[Any]) -> serializers.Serializer[Any]:
    """The shape of a feed's page, for the schema."""
    return inline_serializer(name, {"results": type(change)(many=True), "next_after": serializers.IntegerField()})
