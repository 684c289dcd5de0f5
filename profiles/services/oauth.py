"""OAuth as Segment's SDKs speak it: a program proves that it holds a private key, and gets a token to collect with."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import jwt
from django.conf import settings
from django.core import signing

from cdp.throttle import was_seen_within
from profiles.models import Source

ALGORITHM = "RS256"
GRANT_TYPE = "client_credentials"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPE = "tracking_api:write"
CLAIMS = ["iss", "sub", "aud", "iat", "exp", "jti"]
TOKEN_SECONDS = 600  # the SDKs ask for the next one when half of it is over
MAX_ASSERTION_SECONDS = 600  # theirs are good for one minute
SKEW_SECONDS = 10


class OAuthError(Exception):
    """`error` is a code of RFC 6749, section 5.2. The two descriptions of wrong clocks are those that the SDKs know."""

    def __init__(self, error: str, description: str) -> None:
        self.error, self.description = error, description
        super().__init__(description)


class TokenExpiredError(Exception):
    """The bearer token is one of ours, and its time is over."""


class Grant(NamedTuple):
    """What a bearer token stands for; it ends when the source no longer has the key."""

    source_id: int
    key_id: str


def issue_token(form: dict[str, str]) -> str:
    """A bearer token for the fields of a token request.

    Raises:
        OAuthError: as said there.
    """
    if form.get("grant_type") != GRANT_TYPE:
        raise OAuthError("unsupported_grant_type", f"grant_type must be {GRANT_TYPE}")
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise OAuthError("invalid_request", f"client_assertion_type must be {ASSERTION_TYPE}")
    if SCOPE not in form.get("scope", SCOPE).split():
        raise OAuthError("invalid_scope", f"the only scope is {SCOPE}")
    grant = grant_of(form.get("client_assertion", ""))
    return signer().sign_object(list(grant))


def grant_of(assertion: str) -> Grant:
    """What the program that signed `assertion` may do; each assertion counts once.

    Raises:
        OAuthError: as said there.
    """
    try:
        key_id = str(jwt.get_unverified_header(assertion).get("kid"))
        source = source_called(jwt.decode(assertion, options={"verify_signature": False}).get("iss"))
        if source is None or key_id not in source.oauth_keys:
            raise OAuthError("invalid_client", "unknown client id or key id")
        claims = verified(assertion, source, key_id)
    except jwt.ExpiredSignatureError as error:
        raise OAuthError("invalid_request", "Token is expired") from error
    except jwt.ImmatureSignatureError as error:
        raise OAuthError("invalid_request", "Token used before issued") from error
    except jwt.PyJWTError as error:
        raise OAuthError("invalid_client", f"client_assertion: {error}") from error
    if int(claims["exp"]) > time.time() + MAX_ASSERTION_SECONDS:
        raise OAuthError("invalid_request", f"an assertion may be good for {MAX_ASSERTION_SECONDS} seconds")
    if was_seen_within(f"oauth:{source.pk}:{claims['jti']}", MAX_ASSERTION_SECONDS + SKEW_SECONDS):
        raise OAuthError("invalid_request", "the assertion was used before")
    return Grant(source.pk, key_id)


def source_called(client_id: object) -> Source | None:
    """The enabled source of a client id. Of what can be none the database is not asked: NUL is no text there."""
    if not isinstance(client_id, str) or not client_id.isascii() or not client_id.isprintable():
        return None
    return Source.objects.filter(key=client_id, is_enabled=True).first()


def verified(assertion: str, source: Source, key_id: str) -> dict[str, Any]:
    """The claims, signed by the source's key for this installation. Raises what PyJWT raises."""
    return jwt.decode(
        assertion,
        source.oauth_keys[key_id],
        algorithms=[ALGORITHM],
        audience=settings.PUBLIC_URL.rstrip("/"),
        issuer=source.key,
        subject=source.key,
        leeway=SKEW_SECONDS,
        options={"require": CLAIMS},
    )


def read_token(token: str) -> Grant | None:
    """What a bearer token stands for; None of one that is not ours.

    Raises:
        TokenExpiredError: it was good once.
    """
    try:
        return Grant(*signer().unsign_object(token, max_age=TOKEN_SECONDS))
    except signing.SignatureExpired as error:
        raise TokenExpiredError from error
    except signing.BadSignature:
        return None


def source_of(grant: Grant) -> Source | None:
    """The enabled source, as long as it has the key."""
    source = Source.objects.filter(pk=grant.source_id, is_enabled=True).first()
    return source if source and grant.key_id in source.oauth_keys else None


def signer() -> signing.TimestampSigner:
    return signing.TimestampSigner(salt="profiles.oauth", sep=".")  # the separator that RFC 6750 allows
