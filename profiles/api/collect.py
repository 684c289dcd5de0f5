"""Collecting: where the SDKs of Segment and RudderStack send their messages.

Plain views on the raw body, since the SDKs label their JSON as text, as a form or as JSON. The answer is exactly 200
once the messages are durable: one of the SDKs takes any other success for a failure.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import re_path
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt

from profiles.api.body import CollectError, read_json
from profiles.ingest.accept import accept_messages
from profiles.ingest.times import parse_time
from profiles.models import Source

PREFLIGHT_SECONDS = 7200

View = Callable[[HttpRequest], HttpResponse]


def collecting(view: View) -> View:
    """A view that answers preflights, says errors as `{"code", "message"}`, and lets any website read its answers."""

    @csrf_exempt
    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        try:
            response = HttpResponse(status=204) if request.method == "OPTIONS" else post_only(request, view)
        except CollectError as error:
            response = JsonResponse({"code": error.code, "message": error.message}, status=error.status)
        return with_cors(request, response)

    return answer


def post_only(request: HttpRequest, view: View) -> HttpResponse:
    if request.method != "POST":
        response = JsonResponse({"code": "method_not_allowed", "message": "Send messages by POST."}, status=405)
        response["Allow"] = "POST, OPTIONS"
        return response
    return view(request)


def with_cors(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Allow the asking origin; a preflight also learns that it may send what it asked for."""
    patch_vary_headers(response, ["Origin"])
    if origin := request.headers.get("Origin"):
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Allow-Credentials"] = "true"
        if request.method == "OPTIONS":
            response["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
            response["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
            if asked := request.headers.get("Access-Control-Request-Headers"):
                response["Access-Control-Allow-Headers"] = asked
    return response


@collecting
def batch(request: HttpRequest) -> HttpResponse:
    """`{"batch": [message…], "sentAt", "writeKey"}`."""
    source = source_of_request(request)
    body = read_json(request)
    messages = body.get("batch")
    if not isinstance(messages, list):
        raise CollectError(400, "invalid_batch", "The body has no list named batch.")
    return accept(source or source_of_body(body, *messages[:1]), messages, body)


def single(type_: str) -> View:
    """The view of a path that takes one message of `type_`, which the message need not repeat."""

    @collecting
    def one(request: HttpRequest) -> HttpResponse:
        source = source_of_request(request)
        body = read_json(request)
        message = {name: value for name, value in body.items() if name != "writeKey"}
        return accept(source or source_of_body(body), [{**message, "type": type_}], body)

    return one


def accept(source: Source, messages: Iterable[Any], body: dict[str, Any]) -> HttpResponse:
    accept_messages(source, messages, received_at=timezone.now(), sent_at=parse_time(body.get("sentAt")))
    return JsonResponse({"success": True})


def source_of_request(request: HttpRequest) -> Source | None:
    """By the user name of HTTP Basic, else by `?writeKey=`; None where the key must be in the body."""
    key = basic_user(request) or request.GET.get("writeKey")
    return source_with(key) if key else None


def source_of_body(*holders: Any) -> Source:
    """By the `writeKey` of the body, else of its first message."""
    keys = (holder.get("writeKey") for holder in holders if isinstance(holder, dict))
    return source_with(next((key for key in keys if key), None))


def source_with(key: object) -> Source:
    if isinstance(key, str) and "\0" not in key:
        source = Source.objects.filter(write_key=key, is_enabled=True).first()
        if source is not None:
            return source
    raise CollectError(401, "unknown_write_key", "The write key is missing, unknown, or that of a disabled source.")


def basic_user(request: HttpRequest) -> str:
    """The user name of HTTP Basic, empty where there is none."""
    scheme, _space, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


collect_urlpatterns = [
    re_path(r"^v1/batch/?$", batch),
    re_path(r"^v1/identify/?$", single("identify")),
    re_path(r"^v1/track/?$", single("track")),
]
