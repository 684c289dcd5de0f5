"""Every error as RFC 9457 problem details: `application/problem+json` with type, title, status, detail and errors.

`errors` lists `{"path", "message"}`: paths of fields such as `tiers[0].key`, and for `rule` the path inside the rule,
such as `all[1].where[0].is`. What is wrong in a rule has its `field` too, such as `rule` or `tiers[0].entry`: a `key`
in the rule is not the field `key`.
"""

from __future__ import annotations

import http
import logging
import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.signals import got_request_exception
from django.db import IntegrityError
from django.http import Http404, HttpRequest
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from cdp.rules.errors import Problem, RuleError

logger = logging.getLogger(__name__)
CONTENT_TYPE = "application/problem+json"
OF_DJANGO = re.compile(r"No \w+ matches the given query\.")  # it says this in no other language
RULE_PATH = "rule:"  # code of an error inside a rule; then its field, where that is in the path, ":" and the path


class Conflict(exceptions.APIException):
    """The thing is not as the request takes it to be; nothing was changed."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"
    default_detail = _("This conflicts with how things are now.")


class Gone(exceptions.APIException):
    """What was asked for was there once, and is deleted. `members` stand in the problem beside its details."""

    status_code = status.HTTP_410_GONE
    default_code = "gone"
    default_detail = _("This is no longer kept.")

    def __init__(self, detail: str, *, members: dict[str, int] | None = None) -> None:
        super().__init__(detail)
        self.members = members


class UnknownPath(exceptions.NotFound):
    default_detail = _("Nothing is served at this path; all paths end with a slash.")


class TooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too-large"
    default_detail = _("The body is too large.")


class PreviewTimedOut(exceptions.APIException):
    """The exact count took longer than a preview may; a saved segment is counted without such a limit."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "preview-timeout"
    default_detail = _("Counting took too long for a preview. Save the rule, and its refresh will count it.")


def rule_problems(error: RuleError) -> exceptions.ValidationError:
    """The problems of a rule as the errors of the field that holds it."""
    return exceptions.ValidationError(
        [
            exceptions.ErrorDetail(problem.message, code=f"{RULE_PATH}{problem.field}:{problem.path}")
            for problem in error.problems
        ]
    )


def as_problem(error: Exception, context: dict[str, Any]) -> Response:
    """The answer to an exception of a view; what nobody foresaw is logged, and answered without its details."""
    set_rollback()
    known = as_known(error)
    if known is None:
        note_unforeseen(error, context["request"]._request)
        return unforeseen()
    return answer_to(known)


def note_unforeseen(error: Exception, request: HttpRequest) -> None:
    """Log an error that a view answers itself, and tell those who listen, as Django does of others."""
    logger.exception("Unforeseen error", exc_info=error)
    got_request_exception.send(sender=None, request=request)


def unforeseen() -> Response:
    """Nothing is said of the error: it may hold anything."""
    return problem(status.HTTP_500_INTERNAL_SERVER_ERROR, slug="error", detail=_("Something went wrong here."))


def answer_to(known: exceptions.APIException) -> Response:
    headers = {}
    if authenticate := getattr(known, "auth_header", None):
        headers["WWW-Authenticate"] = authenticate
    if wait := getattr(known, "wait", None):
        headers["Retry-After"] = str(wait)
    if isinstance(known, exceptions.ValidationError):
        errors = list(flatten(known.detail))
        slug = "rule" if _speaks_of_rules(known.detail) else "invalid"
        detail = "; ".join(f"{error.path}: {error.message}" if error.path else error.message for error in errors)
        return problem(known.status_code, slug=slug, detail=detail, errors=errors)
    members = getattr(known, "members", None)
    return problem(known.status_code, slug=_slug(known), detail=known.detail, members=members, headers=headers)


def problem(
    status_code: int,
    *,
    slug: str,
    detail: Any,
    errors: list[Problem] | None = None,
    members: dict[str, int] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Problem details; `type` ends with the slug, which is stable."""
    body: dict[str, Any] = {
        "type": f"{settings.PUBLIC_URL}/problems/{slug}",
        "title": http.HTTPStatus(status_code).phrase,
        "status": status_code,
        "detail": str(detail),
    }
    body |= members or {}
    if errors is not None:
        body["errors"] = [
            {"path": error.path, "message": error.message} | ({"field": error.field} if error.field else {})
            for error in errors
        ]
    return Response(body, status=status_code, headers=headers, content_type=CONTENT_TYPE)


def as_known(error: Exception) -> exceptions.APIException | None:
    """The error in the words of the API; None for one that nobody foresaw."""
    match error:
        case exceptions.APIException():
            return error
        case RuleError():
            return rule_problems(error)
        case DjangoValidationError():
            return exceptions.ValidationError(error.message_dict if hasattr(error, "error_dict") else error.messages)
        case Http404():
            is_own = bool(error.args) and not OF_DJANGO.fullmatch(str(error))
            return exceptions.NotFound(str(error) if is_own else _("There is nothing here of that key or id."))
        case PermissionDenied():
            return exceptions.PermissionDenied()
        case RequestDataTooBig():
            return TooLarge()
        case SuspiciousOperation() | BadRequest():
            return exceptions.ParseError()
        case IntegrityError():  # two requests at once: the serializer saw no conflict, the constraint did
            return Conflict()
    return None


def _slug(error: exceptions.APIException) -> str:
    return str(error.get_codes()).replace("_", "-")


def _speaks_of_rules(detail: Any) -> bool:
    return any(code.startswith(RULE_PATH) for _path, code, _message in _leaves(detail))


def flatten(detail: Any) -> Iterator[Problem]:
    """Nested errors of serializers as paths and messages, in order; those of a rule with their field."""
    for path, code, message in _leaves(detail):
        if not code.startswith(RULE_PATH):
            yield Problem(path, message)
            continue
        field, _colon, inner = code.removeprefix(RULE_PATH).partition(":")
        outer = "" if path == "rule" else path
        yield Problem(f"{outer}.{inner}" if outer and inner else outer or inner, message, path or field or "rule")


def _leaves(detail: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    if isinstance(detail, dict):
        for key, value in detail.items():
            if key in ("non_field_errors", "__all__"):
                inner = path
            elif isinstance(key, int):
                inner = f"{path}[{key}]"
            else:
                inner = f"{path}.{key}" if path else str(key)
            yield from _leaves(value, inner)
    elif isinstance(detail, list):
        for index, item in enumerate(detail):
            # A list of texts is the errors of one field; a list of objects, one for each item of a list.
            yield from _leaves(item, path if isinstance(item, str) else f"{path}[{index}]")
    else:
        yield path, str(getattr(detail, "code", "")), str(detail)
