"""What Django answers itself, where no view could: problem details to programs, pages to people.

Such as an answer that cannot be written as JSON, a path under `/api/` that no version has, a host that is not ours.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views import defaults
from rest_framework.exceptions import ParseError
from rest_framework.response import Response

from cdp.api.bodies import dump
from cdp.api.problems import CONTENT_TYPE, UnknownPath, answer_to, as_known, unforeseen

API = "/api/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
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


def _written(response: Response) -> HttpResponse:
    return HttpResponse(dump(response.data), status=response.status_code, content_type=CONTENT_TYPE)
