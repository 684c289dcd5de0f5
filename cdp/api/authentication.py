"""Who is asking: `Authorization: Bearer <token>`."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from cdp.models import ApiToken, User

LAST_USED_EVERY = timedelta(minutes=1)  # a write for each request would be most of its cost


class TokenAuthentication(BaseAuthentication):
    """The service account of the token; one query, and one more when its last use is over a minute old."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        header = request.headers.get("Authorization", "").split()
        if not header:
            return None
        if header[0].lower() != "bearer" or len(header) != 2:
            raise AuthenticationFailed(_("The Authorization header must read: Bearer, one space, the token."))
        now = timezone.now()
        token = find_token(header[1], now=now)
        if token is None:
            raise AuthenticationFailed(_("This token is unknown or has expired."))
        note_use(token, now=now)
        user: User = token.user
        return user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


def find_token(text: str, *, now: datetime) -> ApiToken | None:
    """The token of this text with its user; None where it is unknown, expired, or its account is switched off.

    The lookup is by digest, so its time says nothing of the text.
    """
    digest = ApiToken.digest_of(text)
    token = ApiToken.objects.select_related("user").filter(digest=digest).first()
    if token is None or not hmac.compare_digest(token.digest, digest):
        return None
    if not token.user.is_active or (token.expires_at is not None and token.expires_at <= now):
        return None
    return token


def note_use(token: ApiToken, *, now: datetime) -> None:
    """Write `last_used_at`, at most once a minute however many requests come at once."""
    before = now - LAST_USED_EVERY
    if token.last_used_at is None or token.last_used_at <= before:
        unused = Q(last_used_at__isnull=True) | Q(last_used_at__lte=before)
        ApiToken.objects.filter(unused, pk=token.pk).update(last_used_at=now)
