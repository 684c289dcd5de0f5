"""What Django answers itself, where no view could: problem details to programs, pages to people.

Such as an answer that cannot be written as JSON, a path under `/api/` that no version has, a host that is not ours.
Views whose clients know other words for errors say a bad request themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.views import defaults
from rest_framework.exceptions import ParseError
from rest_framework.response import Response

from cdp.api.bodies import dump
from cdp.api.problems import CONTENT_TYPE, UnknownPath, answer_to, as_known, unforeseen

API = "/api/"

View = Callable[..., HttpResponse]
_said_by: dict[View, Callable[[HttpRequest, Exception], HttpResponse]] = {}


def says_bad_requests(view: View, say: Callable[[HttpRequest, Exception], HttpResponse]) -> View:
    """The view, of which `say` answers the requests that do not come as far as it: middleware refuses them."""
    _said_by[view] = say
    return view


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if say := _said_by.get(_view_at(request.path_info)):
        return say(request, exception)
    if not request.path_info.startswith(API):
        return defaults.bad_request(request, exception)
    return _written(answer_to(as_known(exception) or ParseError()))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path_info.startswith(API):
        return defaults.page_not_found(request, exception)
    return _written(answer_to(UnknownPath()))


def server_error(request: HttpRequest) -> HttpResponse:
    """What went wrong is in the log by now."""
    return _written(unforeseen()) if request.path_info.startswith(API) else defaults.server_error(request)


def _view_at(path: str) -> Any:
    try:
        return resolve(path).func
    except Resolver404:
        return None


def _written(response: Response) -> HttpResponse:
    return HttpResponse(dump(response.data), status=response.status_code, content_type=CONTENT_TYPE)
