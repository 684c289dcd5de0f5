"""Collecting: where the SDKs of Segment and RudderStack send their messages.

Plain views on the raw body, since the SDKs label their JSON as text, as a form or as JSON. The answer is exactly 200
once the messages are durable: one of the SDKs takes any other success for a failure.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import re_path
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt

from cdp.api.handlers import says_bad_requests
from cdp.api.problems import note_unforeseen
from cdp.throttle import seconds_to_wait
from profiles.api.body import CollectError, read_form, read_json
from profiles.api.browser_files import BUNDLE_SECONDS, MAIN_FILE, SNIPPET_SECONDS, browser_file
from profiles.api.browser_settings import rudder_source_config, segment_settings
from profiles.api.write_keys import (
    decode_base64,
    forget_sources,
    source_of_body,
    source_of_request,
    source_with,
    unknown_key,
)
from profiles.ingest.accept import SourceGoneError, accept_messages
from profiles.ingest.times import parse_time
from profiles.models import Source
from profiles.services.oauth import SCOPE, TOKEN_SECONDS, OAuthError, issue_token

logger = logging.getLogger(__name__)

PREFLIGHT_SECONDS = 7200
DATABASE_AWAY_SECONDS = 5
MAX_TOKEN_FORM_BYTES = 16_384
ANY = ""

View = Callable[..., HttpResponse]
Refusal = Callable[[CollectError], HttpResponse]


def refusal(error: CollectError) -> HttpResponse:
    return JsonResponse({"code": error.code, "message": error.message}, status=error.status, headers=error.headers)


def refusal_of_token(error: CollectError) -> HttpResponse:
    """As OAuth says it; an SDK's thread that asks for tokens ends at an error that is said otherwise."""
    said = {"error": error.code, "error_description": error.message}
    return JsonResponse(said, status=error.status, headers={**error.headers, "Cache-Control": "no-store"})


def collecting(method: str, *, refusal: Refusal = refusal) -> Callable[[View], View]:
    """A view of one method, or of ANY, whose answers every website may read; it answers preflights, and says errors as
    `{"code", "message"}`, without which an SDK takes them for a broken network."""

    def decorate(view: View) -> View:
        @csrf_exempt
        @wraps(view)
        def answer(request: HttpRequest, *args: str) -> HttpResponse:
            try:
                response = answer_of(method, view, request, *args)
            except CollectError as error:
                response = refusal(error)
            except Exception as error:  # also what nobody foresaw is told to come again, and says nothing of itself
                note_unforeseen(error, request)
                response = refusal(CollectError(500, "error", "Something went wrong here. Try again later."))
            return with_cors(request, response)

        def say_bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
            return with_cors(request, refusal(bad_request_of(exception)))

        return says_bad_requests(answer, say_bad_request)

    return decorate


def bad_request_of(exception: Exception) -> CollectError:
    """What Django refused before it looked for a view."""
    if isinstance(exception, DisallowedHost):
        return CollectError(400, "unknown_host", "The host name is neither that of PUBLIC_URL nor in ALLOWED_HOSTS.")
    return CollectError(400, "bad_request", "The request cannot be understood.")


def answer_of(method: str, view: View, request: HttpRequest, *args: str) -> HttpResponse:
    """The view's answer; that of `OPTIONS`, which every path has, is empty."""
    if request.method == "OPTIONS":
        return HttpResponse(status=204)
    if method not in (request.method, ANY):
        allow = {"Allow": f"{method}, OPTIONS"}
        raise CollectError(405, "method_not_allowed", f"This path takes {method}.", headers=allow)
    try:
        return view(request, *args)
    except (OperationalError, InterfaceError) as error:
        logger.exception("The database is away; a collecting request was told to come later")
        later = {"Retry-After": str(DATABASE_AWAY_SECONDS)}
        raise CollectError(503, "unavailable", "Nothing can be stored now. Try again later.", headers=later) from error


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


@collecting("POST")
def batch(request: HttpRequest) -> HttpResponse:
    """`{"batch": [message…], "sentAt", "writeKey"}`."""
    source = source_of_request(request)
    body = read_json(request)
    messages = body.get("batch")
    if not isinstance(messages, list):
        raise CollectError(400, "invalid_batch", "The body has no list named batch.")
    if len(messages) > (limit := settings.COLLECT_MAX_MESSAGES):
        raise CollectError(413, "too_many_messages", f"A request may have {limit} messages. Send smaller batches.")
    return accept(request, source or source_of_body(body, *messages[:1]), messages, body)


def single(type_: str) -> View:
    """The view of a path that takes one message of `type_`, which the message need not repeat."""

    @collecting("POST")
    def one(request: HttpRequest) -> HttpResponse:
        source = source_of_request(request)
        body = read_json(request)
        return accept(request, source or source_of_body(body), [{**body, "type": type_}], body)

    return one


@collecting("POST", refusal=refusal_of_token)
def token(request: HttpRequest) -> HttpResponse:
    """Where a program that signs in by OAuth gets its bearer token."""
    try:
        issued = issue_token(read_form(request, limit=MAX_TOKEN_FORM_BYTES))
    except OAuthError as error:
        status = 401 if error.error == "invalid_client" else 400
        raise CollectError(status, error.error, error.description) from error
    answer = {"access_token": issued, "token_type": "Bearer", "expires_in": TOKEN_SECONDS, "scope": SCOPE}
    return JsonResponse(answer, headers={"Cache-Control": "no-store"})


@collecting("POST")
def metrics(request: HttpRequest) -> HttpResponse:
    """What an SDK measured of itself: taken, and not kept."""
    return JsonResponse({"success": True})


@collecting("GET")
def settings_of_segment(request: HttpRequest, write_key: str) -> HttpResponse:
    return JsonResponse(segment_settings(source_with(write_key)))


@collecting("GET")
def config_of_rudder(request: HttpRequest) -> HttpResponse:
    return JsonResponse(rudder_source_config(source_of_request(request) or source_with(None)))


@collecting("GET")
def snippet_of_segment(request: HttpRequest, write_key: str) -> HttpResponse:
    source_with(write_key)
    return browser_file(MAIN_FILE, max_age=SNIPPET_SECONDS)


@collecting("GET")
def bundle_of_segment(request: HttpRequest, name: str) -> HttpResponse:
    return browser_file(name, max_age=BUNDLE_SECONDS)


@collecting(ANY)
def unknown_path(request: HttpRequest) -> HttpResponse:
    raise CollectError(404, "unknown_path", "Nothing is collected at this path.")


def accept(request: HttpRequest, source: Source, messages: Sequence[Any], body: dict[str, Any]) -> HttpResponse:
    """Store the messages; what the body leaves out is taken from the headers of RudderStack's browser SDK."""
    refuse_too_many(source, len(messages))
    messages = [without_write_key(message) for message in messages]
    sent_at = parse_time(body.get("sentAt")) or parse_time(request.headers.get("SentAt"))
    if anonymous_id := decode_base64(request.headers.get("AnonymousId", "")):
        messages = [with_anonymous_id(message, anonymous_id) for message in messages]
    try:
        accept_messages(source, messages, received_at=timezone.now(), sent_at=sent_at, needs_enabled=True)
    except SourceGoneError as error:
        forget_sources()
        raise unknown_key() from error
    return JsonResponse({"success": True})


def refuse_too_many(source: Source, n: int) -> None:
    """Let `n` messages in at the source's rate.

    Raises:
        CollectError: 429, with the seconds after which they may come.
    """
    limit = source.max_messages_per_second
    if limit is None:
        return
    if seconds := seconds_to_wait(f"collect:{source.pk}", n=n, per_second=limit):
        later = {"Retry-After": str(seconds)}
        raise CollectError(429, "too_many", f"This source may send {limit} messages a second.", headers=later)


def without_write_key(message: Any) -> Any:
    """The message; a write key is a secret, which nobody reads who reads a message that was rejected."""
    if not isinstance(message, dict) or "writeKey" not in message:
        return message
    return {name: value for name, value in message.items() if name != "writeKey"}


def with_anonymous_id(message: Any, anonymous_id: str) -> Any:
    """The message; one of nobody is of the visitor whom its request names.

    Others are left alone: a request may bring the messages of two people who used one browser.
    """
    if not isinstance(message, dict) or message.get("userId") or message.get("anonymousId"):
        return message
    return {**message, "anonymousId": anonymous_id}


TYPES_BY_PATH = {
    "t": "track",
    "i": "identify",
    "p": "page",
    "s": "screen",
    "g": "group",
    "a": "alias",
}

collect_urlpatterns = [
    re_path(r"^v1/(?:batch|b|import)/?$", batch),
    re_path(r"^beacon/v1/batch/?$", batch),
    *(re_path(rf"^v1/(?:{short}|{type_})/?$", single(type_)) for short, type_ in TYPES_BY_PATH.items()),
    re_path(r"^v1/m/?$", metrics),
    re_path(r"^token/?$", token),
    re_path(r"^v1/projects/([^/]+)/settings/?$", settings_of_segment),
    re_path(r"^analytics\.js/v1/([^/]+)/analytics(?:\.min)?\.js$", snippet_of_segment),
    re_path(r"^analytics-next/bundles/([\w.-]+\.js)$", bundle_of_segment),
    re_path(r"^sourceConfig/?$", config_of_rudder),
    re_path(r"^(?:beacon/)?v1/", unknown_path),
]
"""The paths of collecting, with and without a trailing slash: a redirect would lose the body."""
