"""`Idempotency-Key` on POST: the same request sent again within a day does nothing, and has the first one's answer.

The answer is stored in the transaction of the work itself, so that neither exists without the other. An error changes
nothing and is not kept: the same key may try again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

import orjson
from django.core.files import File
from django.db import transaction
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.bodies import dump
from cdp.api.problems import Conflict
from cdp.locks import try_exclusive_lock
from cdp.models import IdempotentAnswer

HEADER = "Idempotency-Key"
KEPT_FOR = timedelta(hours=24)
MAX_KEY_LENGTH = 255
N_PURGED = 100  # old answers that each new one sweeps away, so that they never pile up
Handler = Callable[..., Response]


class KeyReused(exceptions.APIException):
    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "idempotency-key-reused"
    default_detail = _("This Idempotency-Key was used for another request; nothing was done.")


class StillRunning(Conflict):
    default_code = "idempotency-key-in-use"
    default_detail = _("A request with this Idempotency-Key is still running; try again.")
    wait = 1


def once(handler: Handler) -> Handler:
    """The handler of a POST, made to honour the header."""

    def handle(request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return handler(request, *args, **kwargs)
        if not (1 <= len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
            raise exceptions.ValidationError({HEADER: [_("must be 1 to 255 printable ASCII characters")]})
        with transaction.atomic():
            return _answer(request, key, lambda: handler(request, *args, **kwargs), now=timezone.now())

    return handle


def _answer(request: Request, key: str, work: Callable[[], Response], *, now: datetime) -> Response:
    token: Any = request.auth
    fingerprint = _fingerprint(request)
    if not try_exclusive_lock("idempotency", f"{token.pk}:{key}"):
        raise StillRunning
    kept = IdempotentAnswer.objects.filter(token=token, key=key).first()
    if kept is not None and kept.created_at > now - KEPT_FOR:
        if kept.fingerprint != fingerprint:
            raise KeyReused
        return Response(
            orjson.loads(kept.body), status=kept.status, headers={**kept.headers, "Idempotency-Replayed": "true"}
        )
    response = work()
    IdempotentAnswer.objects.update_or_create(
        token=token,
        key=key,
        defaults={
            "fingerprint": fingerprint,
            "status": response.status_code,
            "headers": {name: value for name, value in response.items() if name == "Location"},
            "body": dump(response.data).decode(),
            "created_at": now,
        },
    )
    purge(now=now)
    return response


def _fingerprint(request: Request) -> str:
    """A digest of what is asked for. The fields and files of a form: it may be too large for memory, and its body
    differs each time by what separates them.
    """
    digest = hashlib.sha256(f"{request.method}\n{request.get_full_path()}\n".encode())
    if not (request.content_type or "").startswith("multipart/"):
        digest.update(request._request.body)
        return digest.hexdigest()
    for name, value in sorted(cast(QueryDict, request.data).items()):
        chunks = value.chunks() if isinstance(value, File) else [str(value).encode()]
        inner = hashlib.sha256()
        for chunk in chunks:
            inner.update(chunk)
        digest.update(f"{name}\n{inner.hexdigest()}\n".encode())
    return digest.hexdigest()


def purge(*, now: datetime) -> None:
    """Delete some of the answers that are no longer kept."""
    old = IdempotentAnswer.objects.filter(created_at__lte=now - KEPT_FOR).select_for_update(skip_locked=True)
    IdempotentAnswer.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:N_PURGED])).delete()
