"""The character NUL in the address of a page: no text of the database holds it, so that nothing can be asked by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse


class NulInAddress:
    """Answers it with 400 in the admin, whatever the page and the parameter; the API says so in its own words."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        is_admin = request.resolver_match is not None and request.resolver_match.namespace == "admin"
        if is_admin and ("\0" in request.path or "%00" in request.META.get("QUERY_STRING", "")):
            raise BadRequest("the address holds a NUL")
